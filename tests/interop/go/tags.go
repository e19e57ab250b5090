package main

import (
	"context"
	"fmt"
)

// tags sends messages with three tags; the subscription wants two of them.
func tags(r run) (string, error) {
	p, err := r.producer()
	if err != nil {
		return "", err
	}
	defer p.Shutdown()
	var wanted []string
	for i := range sendCount {
		tag := []string{"A", "B", "C"}[i%3]
		body := fmt.Sprintf("%s %d", tag, i)
		if err := checkSent(p.SendSync(context.Background(), r.message(body).WithTag(tag))); err != nil {
			return "", err
		}
		if tag != "C" {
			wanted = append(wanted, body)
		}
	}
	return fmt.Sprintf("%d of %d messages", len(wanted), sendCount), r.receiveExactly(wanted, "A || B")
}
