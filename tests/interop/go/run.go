package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/admin"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
)

// run is one run of one scenario: its names, and how it makes its clients.
type run struct {
	namesrvs []string
	topic    string
	group    string
	// Tells the consumers of a group apart, if there are several.
	instance string
}

func newRun(namesrv, scenario, id string) run {
	return run{
		namesrvs: strings.Split(namesrv, ";"),
		topic:    "T-go-" + scenario + "-" + id,
		group:    "G-go-" + scenario + "-" + id,
	}
}

func (r run) producer(options ...producer.Option) (rocketmq.Producer, error) {
	options = append(options,
		producer.WithNsResolver(primitive.NewPassthroughResolver(r.namesrvs)),
		producer.WithGroupName("P"+r.group),
		producer.WithInstanceName("producer-"+r.group),
		// The first send waits for auto-creation and a first disk segment.
		producer.WithSendMsgTimeout(10*time.Second),
		producer.WithRetry(2))
	p, err := rocketmq.NewProducer(options...)
	if err != nil {
		return nil, err
	}
	return p, p.Start()
}

// all lets every message through.
var all = tagged("*")

func tagged(expression string) consumer.MessageSelector {
	return consumer.MessageSelector{Type: consumer.TAG, Expression: expression}
}

// start starts a push consumer.
func (r run) start(
	listen func(context.Context, ...*primitive.MessageExt) (consumer.ConsumeResult, error),
	selector consumer.MessageSelector,
	options ...consumer.Option,
) (rocketmq.PushConsumer, error) {
	options = append(options,
		consumer.WithNsResolver(primitive.NewPassthroughResolver(r.namesrvs)),
		consumer.WithGroupName(r.group),
		consumer.WithInstance("consumer-"+r.instance+r.group),
		consumer.WithConsumeFromWhere(consumer.ConsumeFromFirstOffset))
	c, err := rocketmq.NewPushConsumer(options...)
	if err != nil {
		return nil, err
	}
	if err := c.Subscribe(r.topic, selector, listen); err != nil {
		return nil, err
	}
	return c, c.Start()
}

// createTopic sends a first message and waits until the topic can be found, which the start of a consumer does not do.
// It returns what was sent.
func (r run) createTopic(p rocketmq.Producer) ([]string, error) {
	if err := checkSent(p.SendSync(context.Background(), r.message("first"))); err != nil {
		return nil, err
	}
	return []string{"first"}, r.awaitRoute()
}

// awaitRoute waits until the name servers know the topic.
func (r run) awaitRoute() error {
	_, err := r.queuesToSend()
	return err
}

// queuesToSend waits until the name servers know the topic, and returns its queues.
func (r run) queuesToSend() ([]*primitive.MessageQueue, error) {
	a, err := admin.NewAdmin(admin.WithResolver(primitive.NewPassthroughResolver(r.namesrvs)))
	if err != nil {
		return nil, err
	}
	defer a.Close()
	deadline := time.Now().Add(patience)
	for {
		queues, err := a.FetchPublishMessageQueues(context.Background(), r.topic)
		if err == nil && len(queues) > 0 {
			return queues, nil
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("no route to %s: %w", r.topic, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// consume starts a push consumer that puts everything into the inbox.
func (r run) consume(in *inbox, expression string, options ...consumer.Option) (rocketmq.PushConsumer, error) {
	return r.start(in.listen, tagged(expression), options...)
}

// receiveExactly consumes the topic until all expected bodies came, and fails if another one did.
func (r run) receiveExactly(expected []string, expression string) error {
	in := newInbox()
	c, err := r.consume(in, expression)
	if err != nil {
		return err
	}
	if err := in.expectExactly(expected); err != nil {
		return err
	}
	return c.Shutdown()
}

func (r run) message(body string) *primitive.Message {
	return primitive.NewMessage(r.topic, []byte(body))
}

func checkSent(result *primitive.SendResult, err error) error {
	if err != nil {
		return err
	}
	if result.Status != primitive.SendOK {
		return fmt.Errorf("send was answered %s", result)
	}
	return nil
}
