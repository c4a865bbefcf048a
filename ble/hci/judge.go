package hci

import (
	"encoding/binary"

	"github.com/go-ble/ble"

	"github.com/vipaso/vipasod/ble/link"
)

// ATT opcodes, from the Bluetooth Core Specification, volume 3, part F.
const (
	opError            = 0x01
	opMTU              = 0x02
	opMTUResponse      = 0x03
	opFindInfo         = 0x04
	opFindInfoResponse = 0x05
	opFindByType       = 0x06
	opReadByType       = 0x08
	opReadByTypeResp   = 0x09
	opRead             = 0x0a
	opReadResponse     = 0x0b
	opReadBlob         = 0x0c
	opReadByGroup      = 0x10
	opReadByGroupResp  = 0x11
	opWrite            = 0x12
	opWriteResponse    = 0x13
	opPrepareWrite     = 0x16
	opExecuteWrite     = 0x18
	opNotify           = 0x1b
	opConfirm          = 0x1e
	opWriteCommand     = 0x52
	commandBit         = 0x40
)

// ATT error codes.
const (
	errInvalidPDU   = 0x04
	errNotSupported = 0x06
	errNotFound     = 0x0a
)

// act is what is done with a PDU.
type act int

const (
	drop   act = iota // nothing
	pass              // go-ble gets it
	value             // the link gets it: the content of the PDU
	answer            // we answer with the PDU
	refuse            // the connection ends
)

// verdict is the judgement of one PDU.
type verdict struct {
	act  act
	pdu  []byte
	what string // with refuse: what was wrong, from a short list
}

// judge decides what becomes of each PDU of a peer, who may send anything.
// Go-ble panics, hangs or grows on much that is malformed or unexpected.
type judge struct {
	role    role
	handles handles
	mtu     int // ours
	// Of a central: our request that has no response yet, and the handle it
	// begins with.
	pending byte
	start   uint16
}

// sent notes a PDU of ours.
func (j *judge) sent(p []byte) {
	if j.role != central || len(p) == 0 || p[0]&commandBit != 0 || p[0]&1 != 0 || p[0] == opConfirm {
		return
	}
	j.pending, j.start = p[0], 0
	if len(p) >= 3 {
		j.start = binary.LittleEndian.Uint16(p[1:])
	}
}

// take judges a PDU of the peer, which the verdict may contain.
func (j *judge) take(p []byte) verdict {
	if len(p) == 0 {
		return refused("empty PDU")
	}
	if j.role == central {
		return j.fromPeripheral(p)
	}
	return j.fromCentral(p)
}

func refused(what string) verdict { return verdict{act: refuse, what: what} }

// answered is an error response.
func answered(request byte, handle uint16, code byte) verdict {
	return verdict{act: answer, pdu: []byte{opError, request, byte(handle), byte(handle >> 8), code}}
}

// fromCentral judges a PDU for our GATT server.
func (j *judge) fromCentral(p []byte) verdict {
	ok := false
	switch p[0] {
	case opMTU:
		return j.mtuRequest(p)
	case opWriteCommand:
		return j.writeCommand(p)
	case opWrite:
		return j.writeRequest(p)
	case opReadByGroup:
		return j.readByGroup(p)
	case opFindInfo, opReadBlob:
		ok = len(p) == 5
	case opFindByType:
		ok = len(p) >= 7
	case opReadByType:
		ok = len(p) == 7 || len(p) == 21
	case opRead:
		ok = len(p) == 3
	case opPrepareWrite, opExecuteWrite:
		return refused("prepared write")
	default:
		if p[0]&commandBit == 0 && p[0]&1 == 0 && p[0] != opConfirm {
			return answered(p[0], 0, errNotSupported)
		}
		return verdict{act: drop} // commands, and answers to nothing
	}
	if !ok {
		return refused("malformed request")
	}
	return verdict{act: pass, pdu: p}
}

// mtuRequest lowers what the central asks for to what we can send.
func (j *judge) mtuRequest(p []byte) verdict {
	if len(p) != 3 || binary.LittleEndian.Uint16(p[1:]) < ble.DefaultMTU {
		return refused("malformed request")
	}
	asked := min(int(binary.LittleEndian.Uint16(p[1:])), j.mtu)
	binary.LittleEndian.PutUint16(p[1:], uint16(asked))
	return verdict{act: pass, pdu: p}
}

// writeCommand takes a value; others write to nothing.
func (j *judge) writeCommand(p []byte) verdict {
	if len(p) < 3 || len(p)-3 > link.ValueMax {
		return refused("malformed write")
	}
	if binary.LittleEndian.Uint16(p[1:]) != j.handles.write {
		return verdict{act: drop}
	}
	return verdict{act: value, pdu: p[3:]}
}

// writeRequest lets through what switches notifications of ours, or the
// indications of the GATT service, on or off. There is nothing else to write.
func (j *judge) writeRequest(p []byte) verdict {
	if len(p) < 3 {
		return refused("malformed write")
	}
	handle := binary.LittleEndian.Uint16(p[1:])
	allowed := uint16(0)
	switch handle {
	case j.handles.cccd:
		allowed = 1
	case j.handles.changed:
		allowed = 2
	default:
		return answered(opWrite, handle, errNotSupported)
	}
	if len(p) != 5 {
		return refused("malformed subscription")
	}
	if v := binary.LittleEndian.Uint16(p[3:]); v != 0 && v != allowed {
		return refused("malformed subscription")
	}
	return verdict{act: pass, pdu: p}
}

// readByGroup lets go-ble list services from where one begins. It would take
// any attribute for a service.
func (j *judge) readByGroup(p []byte) verdict {
	if len(p) != 7 && len(p) != 21 {
		return refused("malformed request")
	}
	start, end := binary.LittleEndian.Uint16(p[1:]), binary.LittleEndian.Uint16(p[3:])
	if start == 0 || start > end {
		return refused("malformed request")
	}
	if len(p) != 7 || binary.LittleEndian.Uint16(p[5:]) != uint16FromUUID(ble.PrimaryServiceUUID) {
		return answered(opReadByGroup, start, errNotFound)
	}
	for _, service := range j.handles.services {
		if service >= start && service <= end {
			binary.LittleEndian.PutUint16(p[1:], service)
			return verdict{act: pass, pdu: p}
		}
	}
	return answered(opReadByGroup, start, errNotFound)
}

func uint16FromUUID(u ble.UUID) uint16 { return binary.LittleEndian.Uint16(u) }

// fromPeripheral judges a PDU for our GATT client.
func (j *judge) fromPeripheral(p []byte) verdict {
	switch {
	case p[0] == opNotify:
		return j.notification(p)
	case p[0]&commandBit != 0 || p[0] == opConfirm || p[0] == opNotify+2:
		return verdict{act: drop} // commands, confirmations, indications
	case p[0] == opMTU && len(p) != 3:
		return refused("malformed request")
	case p[0]&1 == 0:
		return answered(p[0], 0, errNotSupported) // we serve nothing
	}
	if j.pending == 0 {
		return refused("response to nothing")
	}
	if !j.responds(p) {
		return refused("malformed response")
	}
	j.pending = 0
	return verdict{act: pass, pdu: p}
}

// notification takes a value.
func (j *judge) notification(p []byte) verdict {
	if len(p) < 3 {
		return refused("malformed notification")
	}
	if j.handles.status == 0 || binary.LittleEndian.Uint16(p[1:]) != j.handles.status {
		return verdict{act: drop}
	}
	return verdict{act: value, pdu: p[3:]}
}

// responds reports whether p is a sound response to the pending request.
func (j *judge) responds(p []byte) bool {
	if p[0] == opError {
		return len(p) == 5 && p[1] == j.pending
	}
	if p[0] != j.pending+1 {
		return false
	}
	switch p[0] {
	case opMTUResponse:
		return len(p) == 3 && binary.LittleEndian.Uint16(p[1:]) >= ble.DefaultMTU
	case opReadByTypeResp:
		return len(p) > 2 && (p[1] == 7 || p[1] == 21) && j.advances(p[2:], int(p[1]))
	case opReadByGroupResp:
		return len(p) > 2 && (p[1] == 6 || p[1] == 20) && j.advances(p[2:], int(p[1]))
	case opFindInfoResponse:
		return len(p) > 2 && (p[1] == 1 && j.advances(p[2:], 4) || p[1] == 2 && j.advances(p[2:], 18))
	case opReadResponse:
		return true
	case opWriteResponse:
		return len(p) == 1
	}
	return false
}

// advances reports whether list is made of items of a size, each with a handle
// in front that is higher than the one before. Go-ble would ask for ever.
func (j *judge) advances(list []byte, size int) bool {
	if len(list) == 0 || len(list)%size != 0 {
		return false
	}
	next := j.start
	for ; len(list) > 0; list = list[size:] {
		handle := binary.LittleEndian.Uint16(list)
		if handle < next || handle == 0xffff {
			return false
		}
		next = handle + 1
		switch size {
		case 6, 20: // a service has an end, which the next one is behind
			end := binary.LittleEndian.Uint16(list[2:])
			if end < handle {
				return false
			}
			next = end + 1 // 0 if it is the last
			if next == 0 && len(list) > size {
				return false
			}
		case 7, 21: // a characteristic has its value behind it
			if v := binary.LittleEndian.Uint16(list[3:]); v <= handle || v == 0xffff {
				return false
			}
			next = binary.LittleEndian.Uint16(list[3:]) + 1
		}
	}
	return true
}
