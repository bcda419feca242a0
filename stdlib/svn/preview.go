package svn
import "context"
type Preview struct{}
func (m *Merge) Preview(ctx context.Context, r Revisions) (Preview, error) { return Preview{}, nil }
func (m *Merge) Assist(ctx context.Context) error { return nil }
func (k *Conflict) Edit(ctx context.Context) error { return nil }
