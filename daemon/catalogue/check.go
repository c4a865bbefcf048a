package catalogue

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

var (
	codeForm = regexp.MustCompile(`^[A-Z]+(_[A-Z]+)*$`)
	idForm   = regexp.MustCompile(`^[0-9a-f]{32}$`)
)

// statuses are the gRPC status codes that a reason may be carried by; the
// names are those of the gRPC specification. "" is for reasons that are never
// the error of a call.
const statuses = "|CANCELLED|INVALID_ARGUMENT|DEADLINE_EXCEEDED|NOT_FOUND|ALREADY_EXISTS|PERMISSION_DENIED|" +
	"RESOURCE_EXHAUSTED|FAILED_PRECONDITION|ABORTED|OUT_OF_RANGE|INTERNAL|UNAVAILABLE|"

// check says which rule e breaks, if any.
func (e Entry) check() error {
	switch {
	case !codeForm.MatchString(e.Code):
		return errors.New("code is not in capitals and underscores")
	case e.GRPC != "" && !strings.Contains(statuses, "|"+e.GRPC+"|"):
		return fmt.Errorf("grpc = %q is no status code that a reason may have", e.GRPC)
	case e.Retry != RetryNever && e.Retry != RetryFix && e.Retry != RetryAutomatic:
		return fmt.Errorf("retry = %q is not never, fix or automatic", e.Retry)
	case !idForm.MatchString(e.MessageID):
		return errors.New("message_id is not 32 lower-case hex digits")
	}
	for _, s := range []string{e.Shopper, e.What, e.Why, e.Next} {
		if strings.TrimSpace(s) != s || !strings.HasSuffix(s, ".") && !strings.HasSuffix(s, "`") || strings.ContainsAny(s, "\n\r@") {
			return fmt.Errorf("%q is not one line that ends a sentence", s)
		}
	}
	if strings.Count(e.Next, "`")%2 != 0 || strings.Contains(e.Shopper, "`") {
		return errors.New("backquotes are for commands in next, in pairs")
	}
	return nil
}
