package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/vipaso/vipasod/daemon/catalogue"
)

// checkKeys looks at the keys as the next start will find them.
func (d *Device) checkKeys(context.Context) finding {
	from := d.opt.Keys.source
	from.Dir, from.Enrolled = d.opt.Dir, true // none are made here
	keys, err := from.Load()
	switch {
	case err != nil:
		reason, _ := reasonOf(err)
		return failed(reason, "%v", err)
	case !keys.Signing.Equal(d.opt.Keys.Signing):
		return failed(catalogue.KeyUnusable, "%s is not the key that this device runs with", signingName)
	case !keys.Noise.Equal(d.opt.Keys.Noise):
		return failed(catalogue.KeyUnusable, "%s is not the key that this device runs with", noiseName)
	}
	said := "readable by their owner only"
	if from.credential(signingName) != "" && from.credential(noiseName) != "" {
		said = "from the service manager's credentials"
	}
	for _, name := range []string{signingName, noiseName} {
		path := filepath.Join(from.Dir, name)
		if _, err := os.Lstat(path); from.credential(name) != "" && !errors.Is(err, fs.ErrNotExist) {
			return warning("", "%s is a credential, and still in %s, not encrypted", name, path).to(fmt.Sprintf("`sudo rm %s`", path))
		}
	}
	if info, err := os.Stat(from.Dir); err == nil && info.Mode().Perm()&0o022 != 0 {
		return warning("", "others may write to %s", from.Dir).to(fmt.Sprintf("`sudo chmod 700 %s`", from.Dir))
	}
	if d.self.Load().Enrolled() {
		said += ", the ones that are enrolled"
	}
	return fine("%s", said)
}
