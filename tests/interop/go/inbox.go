package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
)

// How long messages may take: the client looks for routes and for members of its group every 20 to 30 seconds.
const patience = 90 * time.Second

// inbox holds what a consumer received, in the order of reception.
type inbox struct {
	mutex   sync.Mutex
	bodies  []string
	arrived chan struct{}
}

func newInbox() *inbox {
	return &inbox{arrived: make(chan struct{}, 1)}
}

func (in *inbox) listen(_ context.Context, messages ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
	for _, message := range messages {
		in.add(string(message.Body))
	}
	return consumer.ConsumeSuccess, nil
}

func (in *inbox) add(body string) {
	in.mutex.Lock()
	in.bodies = append(in.bodies, body)
	in.mutex.Unlock()
	select {
	case in.arrived <- struct{}{}:
	default: // Whoever waits has been woken already.
	}
}

func (in *inbox) all() []string {
	in.mutex.Lock()
	defer in.mutex.Unlock()
	return append([]string(nil), in.bodies...)
}

// expect waits until the messages that came are as they should be.
func (in *inbox) expect(what string, check func(bodies []string) error) error {
	deadline := time.After(patience)
	for {
		err := check(in.all())
		if err == nil {
			return nil
		}
		select {
		case <-in.arrived:
		case <-deadline:
			return fmt.Errorf("waited for %s: %w, %d messages received", what, err, len(in.all()))
		}
	}
}

// expectExactly waits until as many messages came as expected, then compares.
func (in *inbox) expectExactly(expected []string) error {
	err := in.expect("messages", func(bodies []string) error {
		if len(bodies) < len(expected) {
			return sameMembers(expected, bodies)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return sameMembers(expected, in.all())
}

// expectAtLeast waits until each of these messages came, as often as it stands there.
func (in *inbox) expectAtLeast(expected []string) error {
	return in.expect("messages", func(bodies []string) error {
		return noneMissing(expected, bodies)
	})
}

// noneMissing tells one message that did not come as often as expected, if there is one.
func noneMissing(expected, found []string) error {
	count := map[string]int{}
	for _, body := range found {
		count[body]++
	}
	for _, body := range expected {
		if count[body]--; count[body] < 0 {
			return fmt.Errorf("%q is missing", body)
		}
	}
	return nil
}

// sameMembers tells one difference between two lists, if there is one; their order does not matter.
func sameMembers(expected, found []string) error {
	if err := noneMissing(found, expected); err != nil {
		return fmt.Errorf("unexpected or twice: %w", err)
	}
	return noneMissing(expected, found)
}
