package main

import (
	"fmt"
	"strings"

	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"
	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
)

func (a *app) about(st *devicev1.Status) []string {
	parts := []string{clean(st.GetVersion()), "role " + strings.ToLower(word(st.GetRole())), quoted(st.GetDisplayName())}
	if t := st.GetStartedAt(); t != nil {
		parts = append(parts, "up "+a.ago(t))
	}
	return parts
}

func (a *app) identity(id *devicev1.Identity) []string {
	switch id.GetState() {
	case devicev1.AuthenticationState_AUTHENTICATION_STATE_ENROLLED:
		parts := []string{"enrolled", quoted(id.GetBusinessName())}
		if t := id.GetValidUntil(); t != nil {
			parts = append(parts, "certificate ends in "+a.until(t))
		}
		return parts
	case devicev1.AuthenticationState_AUTHENTICATION_STATE_LOCKED:
		return []string{a.stdout.bad(a, "LOCKED"), quoted(id.GetBusinessName()), "signs nothing new; still shows and synchronizes"}
	default:
		return []string{"not enrolled"}
	}
}

func (a *app) radioParts(r *devicev1.RadioStatus) []string {
	parts := []string{clean(r.GetDriver() + either(r.GetAdapter() != "", " "+r.GetAdapter(), ""))}
	if !r.GetReady() {
		return append(parts, a.stdout.bad(a, "not ready"), clean(r.GetReason()), clean(r.GetDetail()))
	}
	state := a.stdout.good(a, "ready")
	if r.GetScanning() {
		state += ", scanning"
	}
	if r.GetAdvertising() {
		state += ", advertising"
	}
	parts = append(parts, state)
	if n := r.GetLinks(); n > 0 {
		parts = append(parts, plural(n, "link"))
	}
	if t := r.GetLastPeer(); t != nil {
		parts = append(parts, "last peer "+a.ago(t)+" ago")
	}
	if n := r.GetRestarts(); n > 1 {
		parts = append(parts, fmt.Sprintf("radio process started %d times", n))
	}
	return parts
}

// backendParts is never red: being offline is what the device is made for.
// What the system says of that, and where the backend is, are for those who
// want it in full.
func (a *app) backendParts(st *devicev1.Status, full bool) []string {
	s := st.GetBackend()
	if s.GetUrl() == "" {
		return []string{"none yet; enrolling names it"}
	}
	state := either(s.GetOnline(), a.stdout.good(a, "online"), "offline")
	if t := s.GetSince(); t != nil {
		state += fmt.Sprintf(" since %s (%s)", a.clock(t), a.ago(t))
	}
	parts := []string{state}
	if s.GetOnline() {
		return append(parts, clean(s.GetUrl()))
	}
	if st.GetIdentity().GetState() == devicev1.AuthenticationState_AUTHENTICATION_STATE_ENROLLED {
		parts[0] += "; payments go on"
	}
	if t := s.GetNextTry(); t != nil {
		parts = append(parts, "next try in "+a.until(t))
	}
	if t := s.GetBundleTime(); t != nil && !full { // else it has a line of its own
		parts = append(parts, "trust bundle "+a.ago(t)+" old")
	}
	if full {
		parts = append(parts, clean(s.GetUrl()))
	}
	if full && s.GetLastError() != "" {
		parts = append(parts, "last error: "+clean(s.GetLastError()))
	}
	return parts
}

func (a *app) storeParts(s *devicev1.StoreStatus) []string {
	state := a.stdout.good(a, "ok")
	if !s.GetWritable() {
		state = a.stdout.bad(a, "read only") + " " + clean(s.GetReason())
	}
	return []string{state + ", " + size(s.GetBytes()), fmt.Sprintf("schema %d", s.GetSchemaVersion()), fmt.Sprintf("event %d", s.GetLastSequence())}
}

func (a *app) unsyncedParts(st *devicev1.Status, u *devicev1.Unsynced) []string {
	parts := []string{
		plural(u.GetCount(), "payment"),
		sum(u.GetAmount(), u.GetCurrency()),
	}
	if st.GetRole() != paymentv1.Role_ROLE_CUSTOMER {
		parts = append(parts, "guaranteed "+clean(u.GetGuaranteed()), "at risk "+clean(u.GetAtRisk()))
	}
	if t := st.GetOldestUnsynced(); t != nil {
		parts = append(parts, "oldest "+a.ago(t))
	}
	if t := st.GetUnsyncedDeadline(); t != nil {
		parts = append(parts, "deadline in "+a.until(t))
	}
	return append(parts, a.outboxPart(st))
}

func (a *app) outboxPart(st *devicev1.Status) string {
	if n := st.GetOutbox(); n > 0 {
		return plural(n, "item") + " to hand in"
	}
	return ""
}
