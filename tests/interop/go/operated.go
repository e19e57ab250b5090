package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
)

// reset consumes, and says on a line of its own when it may be sent back to a time: from then on everything comes again,
// and goes on.
func reset(r run) (string, error) {
	p, err := r.producer()
	if err != nil {
		return "", err
	}
	defer p.Shutdown()
	sent, err := r.createTopic(p)
	if err != nil {
		return "", err
	}
	in := newInbox()
	c, err := r.consume(in, "*")
	if err != nil {
		return "", err
	}
	defer c.Shutdown()
	early, err := r.sendMany(p, "early")
	if err != nil {
		return "", err
	}
	sent = append(sent, early...)
	if err := in.expectExactly(sent); err != nil {
		return "", err
	}
	// What was stored in the same millisecond, the broker counts in: it may come again as well.
	between := time.Now()
	late, err := r.sendMany(p, "late")
	if err != nil {
		return "", err
	}
	if err := in.expectExactly(append(sent, late...)); err != nil {
		return "", err
	}
	before := len(in.all())
	fmt.Printf("reset %s in %s to %d\n", r.group, r.topic, between.UnixMilli())
	if err := in.expectAtLeast(append(sent, append(late, late...)...)); err != nil {
		return "", err
	}
	again := len(in.all()) - before
	afterwards, err := r.sendMany(p, "afterwards")
	if err != nil {
		return "", err
	}
	if err := in.expectAtLeast(afterwards); err != nil {
		return "", err
	}
	return fmt.Sprintf("%d messages came again", again), nil
}

// trace lets both sides write down what became of a message, and says its id on a line of its own.
func trace(r run) (string, error) {
	config := &primitive.TraceConfig{
		GroupName: "traces-" + r.group,
		Access:    primitive.Local,
		Resolver:  primitive.NewPassthroughResolver(r.namesrvs),
	}
	p, err := r.producer(producer.WithTrace(config))
	if err != nil {
		return "", err
	}
	defer p.Shutdown()
	sent, err := r.createTopic(p)
	if err != nil {
		return "", err
	}
	in := newInbox()
	c, err := r.consume(in, "*", consumer.WithTrace(config))
	if err != nil {
		return "", err
	}
	defer c.Shutdown()
	result, err := p.SendSync(context.Background(), r.message("traced").WithKeys([]string{"key-" + r.group}))
	if err := checkSent(result, err); err != nil {
		return "", err
	}
	if err := in.expectExactly(append(sent, "traced")); err != nil {
		return "", err
	}
	fmt.Printf("traced %s\n", result.MsgID)
	traces := newInbox()
	reader := run{namesrvs: r.namesrvs, topic: "RMQ_SYS_TRACE_TOPIC", group: r.group + "-traces"}
	t, err := reader.consume(traces, "*")
	if err != nil {
		return "", err
	}
	defer t.Shutdown()
	for _, kind := range []string{"Pub", "SubBefore", "SubAfter"} {
		if err := traces.expectRecord(kind, result.MsgID); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%d messages with traces", len(traces.all())), nil
}

// expectRecord waits for a trace of this kind of a message.
func (in *inbox) expectRecord(kind, id string) error {
	const field, record = "\u0001", "\u0002"
	return in.expect("a trace "+kind+" of "+id, func(bodies []string) error {
		for _, body := range bodies {
			for _, text := range strings.Split(body, record) {
				if strings.HasPrefix(text, kind+field) && strings.Contains(text, field+id+field) {
					return nil
				}
			}
		}
		return fmt.Errorf("not among %d messages", len(bodies))
	})
}
