package manifest

// How many files are hashed at once, and how much waits for that.
const (
	hashedAtOnce = 1 << 10
	mostWaiting  = 4 << 10
)

// Queue holds back what waits for sums, so that many files are hashed at a time
// and everything goes on in its order all the same.
type Queue[T any] struct {
	Hash func(files []*Entry) error // fills in their sums
	Next func(T) error              // goes on with one

	waiting []T
	files   []*Entry
}

// Idle reports whether nothing waits: what needs no sum can go on without Put.
func (q *Queue[T]) Idle() bool { return len(q.waiting) == 0 }

// Put has v wait; file, if not nil, is to be hashed before. Both must stay valid.
// An error is that of Hash or Next.
func (q *Queue[T]) Put(v T, file *Entry) error {
	q.waiting = append(q.waiting, v)
	if file != nil {
		q.files = append(q.files, file)
	}
	if len(q.files) < hashedAtOnce && len(q.waiting) < mostWaiting {
		return nil
	}
	return q.Flush()
}

// Flush goes on with all that waits.
func (q *Queue[T]) Flush() error {
	if len(q.files) > 0 {
		if err := q.Hash(q.files); err != nil {
			return err
		}
	}
	for _, v := range q.waiting {
		if err := q.Next(v); err != nil {
			return err
		}
	}
	q.waiting, q.files = q.waiting[:0], q.files[:0]
	return nil
}
