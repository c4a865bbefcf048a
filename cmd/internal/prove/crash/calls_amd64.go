package crash

import (
	"syscall"
)

// replaceCall makes a thread that begins a call do nothing instead.
func replaceCall(tid int) error {
	var regs syscall.PtraceRegs
	if err := syscall.PtraceGetRegs(tid, &regs); err != nil {
		return err
	}
	regs.Orig_rax = ^uint64(0)
	return syscall.PtraceSetRegs(tid, &regs)
}

// replaceResult makes a call that has ended return an error.
func replaceResult(tid int, no syscall.Errno) error {
	var regs syscall.PtraceRegs
	if err := syscall.PtraceGetRegs(tid, &regs); err != nil {
		return err
	}
	regs.Rax = -uint64(no)
	return syscall.PtraceSetRegs(tid, &regs)
}
