package main

import (
	"context"
	"fmt"

	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/producer"
)

const (
	orders = 10
	steps  = 20
)

// order sends the steps of several orders, each order to one queue, and consumes them under the broker's queue locks.
func order(r run) (string, error) {
	p, err := r.producer(producer.WithQueueSelector(producer.NewHashQueueSelector()))
	if err != nil {
		return "", err
	}
	defer p.Shutdown()
	// Until the topic exists, the queues to choose from are those of the template.
	if err := checkSent(p.SendSync(context.Background(), r.message("first").WithShardingKey("first"))); err != nil {
		return "", err
	}
	sent := []string{"first"}
	for step := range steps {
		for id := range orders {
			body := fmt.Sprintf("%d %d", id, step)
			message := r.message(body).WithShardingKey(fmt.Sprint("order", id))
			if err := checkSent(p.SendSync(context.Background(), message)); err != nil {
				return "", err
			}
			sent = append(sent, body)
		}
	}
	in := newInbox()
	c, err := r.consume(in, "*", consumer.WithConsumerOrder(true))
	if err != nil {
		return "", err
	}
	defer c.Shutdown()
	if err := in.expectExactly(sent); err != nil {
		return "", err
	}
	return fmt.Sprintf("%d orders of %d steps", orders, steps), inOrder(in.all())
}

func inOrder(bodies []string) error {
	var next [orders]int
	for _, body := range bodies {
		var id, step int
		if _, err := fmt.Sscanf(body, "%d %d", &id, &step); err != nil {
			continue // The message that created the topic.
		}
		if step != next[id] {
			return fmt.Errorf("order %d: step %d came where %d was due", id, step, next[id])
		}
		next[id]++
	}
	return nil
}
