package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
)

// run is one run of one scenario: its names, and how it makes its clients.
type run struct {
	namesrvs []string
	topic    string
	group    string
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

// consume starts a push consumer that puts everything into the inbox.
func (r run) consume(in *inbox, expression string, options ...consumer.Option) (rocketmq.PushConsumer, error) {
	options = append(options,
		consumer.WithNsResolver(primitive.NewPassthroughResolver(r.namesrvs)),
		consumer.WithGroupName(r.group),
		consumer.WithInstance("consumer-"+r.group),
		consumer.WithConsumeFromWhere(consumer.ConsumeFromFirstOffset))
	c, err := rocketmq.NewPushConsumer(options...)
	if err != nil {
		return nil, err
	}
	selector := consumer.MessageSelector{Type: consumer.TAG, Expression: expression}
	if err := c.Subscribe(r.topic, selector, in.listen); err != nil {
		return nil, err
	}
	return c, c.Start()
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
