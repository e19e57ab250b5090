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

// expectExactly waits until as many messages came as expected, then compares.
func (in *inbox) expectExactly(expected []string) error {
	deadline := time.After(patience)
	for len(in.all()) < len(expected) {
		select {
		case <-in.arrived:
		case <-deadline:
			return fmt.Errorf("%w, %d messages received", sameMembers(expected, in.all()), len(in.all()))
		}
	}
	return sameMembers(expected, in.all())
}

// sameMembers tells one difference between two lists, if there is one; their order does not matter.
func sameMembers(expected, found []string) error {
	count := map[string]int{}
	for _, body := range expected {
		count[body]++
	}
	for _, body := range found {
		if count[body]--; count[body] < 0 {
			return fmt.Errorf("%q came unexpected or twice", body)
		}
	}
	for body, missing := range count {
		if missing > 0 {
			return fmt.Errorf("%q is missing", body)
		}
	}
	return nil
}
