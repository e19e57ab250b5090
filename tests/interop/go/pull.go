package main

import (
	"context"
	"fmt"

	"github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
)

// pull reads every queue from 0 to its end, the program keeping the offsets.
func pull(r run) (string, error) {
	p, err := r.producer()
	if err != nil {
		return "", err
	}
	defer p.Shutdown()
	var sent []string
	// This client cannot list queues: the answers name them, and tell where each one ends.
	ends := map[primitive.MessageQueue]int64{}
	for i := range sendCount {
		body := fmt.Sprintf("pull %d", i)
		result, err := p.SendSync(context.Background(), r.message(body))
		if err := checkSent(result, err); err != nil {
			return "", err
		}
		sent = append(sent, body)
		ends[*result.MessageQueue] = result.QueueOffset + 1
	}
	c, err := rocketmq.NewPullConsumer(
		consumer.WithNsResolver(primitive.NewPassthroughResolver(r.namesrvs)),
		consumer.WithGroupName(r.group),
		consumer.WithInstance("consumer-"+r.group))
	if err != nil {
		return "", err
	}
	if err := c.Subscribe(r.topic, consumer.MessageSelector{Type: consumer.TAG, Expression: "*"}); err != nil {
		return "", err
	}
	if err := c.Start(); err != nil {
		return "", err
	}
	defer c.Shutdown()
	in := newInbox()
	for queue, end := range ends {
		for next := int64(0); next < end; {
			result, err := c.PullFrom(context.Background(), &queue, next, 32)
			if err != nil {
				return "", err
			}
			if result.Status != primitive.PullFound {
				return "", fmt.Errorf("pull of %v at %d was answered %v", queue, next, result.Status)
			}
			for _, message := range result.GetMessageExts() {
				in.add(string(message.Body))
			}
			next = result.NextBeginOffset
		}
	}
	return fmt.Sprintf("%d messages", len(sent)), in.expectExactly(sent)
}
