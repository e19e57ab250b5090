package main

import (
	"context"
	"fmt"
	"time"

	"github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
)

// orderlyLeave lets two members consume in order, and one of them leave: the other one goes on with its queues, still in
// order.
func orderlyLeave(r run) (string, error) {
	p, err := r.producer(producer.WithQueueSelector(producer.NewManualQueueSelector()))
	if err != nil {
		return "", err
	}
	defer p.Shutdown()
	sender := steady{run: r, producer: p}
	if err := sender.begin(); err != nil {
		return "", err
	}
	both, one, two := newInbox(), newInbox(), newInbox()
	stays, err := r.member("one", one, both)
	if err != nil {
		return "", err
	}
	defer stays.Shutdown()
	leaves, err := r.member("two", two, both)
	if err != nil {
		return "", err
	}
	deadline := time.Now().Add(patience)
	for len(one.all()) < 10 || len(two.all()) < 10 {
		if time.Now().After(deadline) {
			return "", fmt.Errorf("%d messages at one member, %d at the other", len(one.all()), len(two.all()))
		}
		if err := sender.step(); err != nil {
			return "", err
		}
	}
	if err := leaves.Shutdown(); err != nil {
		return "", err
	}
	// What it has fetched before, the client still consumes.
	before := len(sender.sent)
	for range 20 {
		if err := sender.step(); err != nil {
			return "", err
		}
	}
	if err := both.expectAtLeast(sender.sent); err != nil {
		return "", err
	}
	if err := one.expectAtLeast(sender.sent[before:]); err != nil {
		return "", err
	}
	return fmt.Sprintf("%d + %d messages", len(one.all()), len(two.all())), noneSkipped(both.all())
}

// member starts one of several consumers of the group, in order.
func (r run) member(name string, own, both *inbox) (rocketmq.PushConsumer, error) {
	r.instance = name
	return r.start(func(ctx context.Context, messages ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
		own.listen(ctx, messages...)
		return both.listen(ctx, messages...)
	}, all, consumer.WithConsumerOrder(true))
}

// steady sends the next step to every queue of the topic, again and again.
type steady struct {
	run
	producer rocketmq.Producer
	queues   []*primitive.MessageQueue
	steps    int
	sent     []string
}

func (s *steady) begin() error {
	// Before there is a topic, there is no queue to choose.
	first := run{namesrvs: s.namesrvs, topic: s.topic, group: s.group + "-first"}
	p, err := first.producer()
	if err != nil {
		return err
	}
	defer p.Shutdown()
	if s.sent, err = first.createTopic(p); err != nil {
		return err
	}
	s.queues, err = s.queuesToSend()
	return err
}

func (s *steady) step() error {
	for i, queue := range s.queues {
		body := fmt.Sprintf("%d %d", i, s.steps)
		message := s.message(body)
		message.Queue = queue
		if err := checkSent(s.producer.SendSync(context.Background(), message)); err != nil {
			return err
		}
		s.sent = append(s.sent, body)
	}
	s.steps++
	return nil
}

// noneSkipped allows for a queue that changed hands to be read again from its last committed offset; no step may be left
// out.
func noneSkipped(bodies []string) error {
	next := map[int]int{}
	for _, body := range bodies {
		var queue, step int
		if _, err := fmt.Sscanf(body, "%d %d", &queue, &step); err != nil {
			continue // The message that created the topic.
		}
		if step > next[queue] {
			return fmt.Errorf("queue %d jumped to step %d from %d", queue, step, next[queue])
		}
		next[queue] = max(next[queue], step+1)
	}
	return nil
}
