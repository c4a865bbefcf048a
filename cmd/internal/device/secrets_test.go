package device

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/stats"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	businessv1 "github.com/vipaso/vipasod/proto/vipaso/business/v1"
	customerv1 "github.com/vipaso/vipasod/proto/vipaso/customer/v1"
	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"
	simv1 "github.com/vipaso/vipasod/proto/vipaso/sim/v1"

	"github.com/vipaso/vipasod/cmd/internal/backend"
	server "github.com/vipaso/vipasod/syncer/backend"
)

// ear keeps all that a client of the local API hears, and all that is logged.
type ear struct {
	mu          sync.Mutex
	said, wrote bytes.Buffer
}

// Write implements io.Writer, for logs.
func (e *ear) Write(b []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.wrote.Write(b)
}

// HandleRPC implements stats.Handler, for the API.
func (e *ear) HandleRPC(_ context.Context, s stats.RPCStats) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch s := s.(type) {
	case *stats.InPayload:
		m := s.Payload.(proto.Message)
		if m.ProtoReflect().Descriptor().Name() == "BackupStoreResponse" {
			return // it is looked at as a file
		}
		b, err := proto.Marshal(m)
		fmt.Fprintf(&e.said, "%s\n%v %v\n", b, m, err)
	case *stats.End:
		fmt.Fprintln(&e.said, s.Error)
	}
}

// TagRPC implements stats.Handler.
func (e *ear) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

// TagConn implements stats.Handler.
func (e *ear) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

// HandleConn implements stats.Handler.
func (e *ear) HandleConn(context.Context, stats.ConnStats) {}

// callAll makes every call of every service with an empty request: what a
// device says by itself, and how it refuses.
func (p *party) callAll() {
	for _, file := range []protoreflect.FileDescriptor{
		devicev1.File_vipaso_device_v1_device_proto, businessv1.File_vipaso_business_v1_business_proto,
		customerv1.File_vipaso_customer_v1_customer_proto, simv1.File_vipaso_sim_v1_sim_proto,
	} {
		for i := range file.Services().Len() {
			s := file.Services().Get(i)
			for j := range s.Methods().Len() {
				p.call(fmt.Sprintf("/%s/%s", s.FullName(), s.Methods().Get(j).Name()), s.Methods().Get(j))
			}
		}
	}
}

func (p *party) call(path string, m protoreflect.MethodDescriptor) {
	ctx, cancel := context.WithTimeout(p.rig.ctx, 2*time.Second) // streams last for ever
	defer cancel()
	stream, err := p.conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, path)
	if err == nil {
		err = errors.Join(stream.SendMsg(dynamicpb.NewMessage(m.Input())), stream.CloseSend())
	}
	for err == nil {
		err = stream.RecvMsg(dynamicpb.NewMessage(m.Output()))
	}
}

// unpacked is what a stream of pieces of a file makes; a bug report is opened.
func unpacked[M interface{ GetChunk() []byte }](t testing.TB, stream interface{ Recv() (M, error) }, err error, packed bool) []byte {
	t.Helper()
	var file bytes.Buffer
	for err == nil {
		var m M
		if m, err = stream.Recv(); err == nil {
			file.Write(m.GetChunk())
		}
	}
	if !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	if !packed {
		return file.Bytes()
	}
	zip, err := gzip.NewReader(&file)
	if err != nil {
		t.Fatal(err)
	}
	var all bytes.Buffer
	for files := tar.NewReader(zip); ; {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			return all.Bytes()
		}
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&all, h.Name)
		if _, err := io.Copy(&all, files); err != nil {
			t.Fatal(err)
		}
	}
}

// places are where a device could have left a secret, by kind.
func (p *party) places(into map[string][]byte) {
	t := p.rig.t
	backup, err := p.device.BackupStore(p.rig.ctx, &devicev1.BackupStoreRequest{})
	into["backup of "+p.name] = unpacked(t, backup, err, false)
	report, err := p.device.CreateDiagnosticsBundle(p.rig.ctx, &devicev1.CreateDiagnosticsBundleRequest{})
	into["report of "+p.name] = unpacked(t, report, err, true)
	for i, part := range p.evacuate() {
		into[fmt.Sprintf("sealed %d of %s", i, p.name)] = part
	}
}

// files adds every file below a directory but those of private keys.
func files(t testing.TB, dir string, into map[string][]byte) {
	t.Helper()
	if err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(path, ".key") || strings.HasSuffix(path, "-key.pem") {
			return err
		}
		b, err := os.ReadFile(path)
		into["file "+filepath.Base(dir)+"/"+filepath.Base(path)] = b
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

// enrollLoudly enrolls over the API, after codes and tokens that are wrong.
func (p *party) enrollLoudly(who server.Party) (cage []canary) {
	t := p.rig.t
	code, err := p.rig.admin.EnrollCode(p.rig.ctx, who, time.Hour)
	p.rig.must(err)
	ca, err := os.ReadFile(filepath.Join(p.rig.dir, "backend", backend.CAFile))
	p.rig.must(err)
	enroll := func(code string) error {
		_, err := p.device.Enroll(p.rig.ctx, &devicev1.EnrollRequest{RequestId: uuid.NewString(), BackendUrl: "https://localhost:443", CaPem: string(ca), Code: code})
		return err
	}
	const wrong, token = "WRNG-CODE-OFMY-OWN1", "eyJhbGciOiJFUzI1NiJ9.eyJjYW5hcnkiOiJ5ZXMifQ.c2lnbmF0dXJlLW9mLW5vYm9keQ"
	if err := enroll(wrong); reason(err) != "CODE_INVALID" {
		t.Errorf("a wrong code: %v", err)
	}
	if _, err := p.device.CompleteEnrollment(p.rig.ctx, &devicev1.CompleteEnrollmentRequest{
		RequestId: uuid.NewString(), BackendUrl: "https://localhost:443", CaPem: string(ca), Token: token,
	}); reason(err) != "CODE_INVALID" {
		t.Errorf("a wrong token: %v", err)
	}
	p.rig.must(enroll(code))
	p.rig.must(enroll(code))
	cage = append(cage, secretText("code of "+p.name, code), secretText("wrong code", wrong), secretText("token", token))
	for _, name := range []string{"signing.key", "noise.key"} {
		text, err := os.ReadFile(filepath.Join(p.rig.dir, p.name, name))
		p.rig.must(err)
		block, _ := pem.Decode(text)
		cage = append(cage, secretKeys(t, name+" of "+p.name, block.Bytes)...)
	}
	return cage
}

// TestSecretsStayWhereTheyAre: through enrollment, payments, errors and every
// call there is, keys, codes and tokens come out nowhere: not in logs at
// debug, nor over the API, in the store, its backup, a bug report or a sealed
// file. What may be in a store, but not in a log or report, is not there.
func TestSecretsStayWhereTheyAre(t *testing.T) {
	play(t, func(t *testing.T, r *rig) {
		e := &ear{}
		r.log = slog.New(slog.NewTextHandler(e, &slog.HandlerOptions{Level: slog.LevelDebug}))
		r.dial = []grpc.DialOption{grpc.WithStatsHandler(e)}
		till, ann := r.start("till", peerv1.Role_ROLE_BUSINESS), r.start("ann", peerv1.Role_ROLE_CUSTOMER)
		shop, err := r.admin.CreateBusiness(r.ctx, "Cafe", 5812)
		r.must(err)
		owner, err := r.admin.CreateCustomer(r.ctx, "Ann")
		r.must(err)
		card, err := r.admin.CreateInstrument(r.ctx, server.Instrument{Customer: owner, Type: "CARD", Label: "Card", Currency: "USD", Free: 100_000, PreAuthCapable: true})
		r.must(err)
		nowhere := append(till.enrollLoudly(server.Party{Business: shop}), ann.enrollLoudly(server.Party{Customer: owner})...)
		ann.preAuthorize(card, "40.00")

		first := r.sold(till, ann, card.String(), "5.00")
		resume := ann.attempts(first)[0].ResumeKey
		voucher := till.payment(first).GetReceipt().GetVoucher()
		discreet := []canary{ // these may be in a store
			secretBytes("resume key", resume[:]), secretBytes("instrument", card[:]), secretText("instrument", card.String()), secretBytes("voucher", voucher),
		}
		places := map[string][]byte{}
		for _, p := range []*party{till, ann} {
			p.callAll()
			p.places(places)
		}
		r.balanced(map[string]int64{first: 500}, till, ann)
		r.sold(till, ann, card.String(), "7.00")
		for _, p := range []*party{till, ann} {
			p.callAll()
			p.stop()
			files(t, filepath.Join(r.dir, p.name), places)
		}
		files(t, filepath.Join(r.dir, "backend"), places)
		e.mu.Lock()
		defer e.mu.Unlock()
		places["API"], places["log"] = e.said.Bytes(), e.wrote.Bytes()
		for _, name := range slices.Sorted(maps.Keys(places)) {
			if len(places[name]) == 0 {
				t.Errorf("%s is empty: nothing was looked at", name)
			}
			cage := nowhere
			if kind, _, _ := strings.Cut(name, " "); kind == "log" || kind == "report" || kind == "sealed" {
				cage = slices.Concat(nowhere, discreet)
			}
			for _, c := range sings(places[name], cage) {
				t.Errorf("%s: the %s is in it", name, c)
			}
		}
		if heard := sings(places["API"], discreet[:1]); len(heard) > 0 {
			t.Errorf("the API tells the %q", heard)
		}
		if heard := sings(places["backup of ann"], discreet); len(heard) < 3 {
			t.Errorf("only %q found where they are: the scanner is deaf", heard)
		}
	})
}
