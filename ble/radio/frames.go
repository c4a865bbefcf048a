package radio

import (
	"strings"

	radiov1 "github.com/vipaso/vipasod/proto/vipaso/radio/v1"
)

// Constructors of frames that both sides send, or that need a word.

func helloFrame(h *radiov1.Hello) *radiov1.Frame {
	h.Version = protocolVersion
	return &radiov1.Frame{Body: &radiov1.Frame_Hello{Hello: h}}
}

func valueFrame(id uint64, value []byte) *radiov1.Frame {
	return &radiov1.Frame{Body: &radiov1.Frame_Value{Value: &radiov1.Value{LinkId: id, Value: value}}}
}

func linkDownFrame(id uint64, reason string) *radiov1.Frame {
	return &radiov1.Frame{Body: &radiov1.Frame_LinkDown{LinkDown: &radiov1.LinkDown{LinkId: id, Reason: clip(reason)}}}
}

// giveUpFrame gives up a dial that is under way: a Dial to nobody, with its id.
// If the dial has ended meanwhile it says nothing.
func giveUpFrame(dial uint64) *radiov1.Frame {
	return &radiov1.Frame{Body: &radiov1.Frame_Dial{Dial: &radiov1.Dial{DialId: dial}}}
}

// clip makes a text that may come from anywhere short enough, and fit for
// protobuf.
func clip(s string) string { return strings.ToValidUTF8(s[:min(len(s), 256)], "?") }
