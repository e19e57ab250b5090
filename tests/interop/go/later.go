package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
)

const (
	laterCount = 20
	retries    = 1
)

// deadLetters lets messages fail: they come back as often as the group wants, and end in its dead-letter topic.
func deadLetters(r run) (string, error) {
	p, err := r.producer()
	if err != nil {
		return "", err
	}
	defer p.Shutdown()
	if _, err := r.createTopic(p); err != nil {
		return "", err
	}
	if err := r.createRetryTopic(); err != nil {
		return "", err
	}
	var bad, tried []string
	for i := range laterCount {
		body := fmt.Sprintf("good %d", i)
		if i%2 == 1 {
			body = fmt.Sprintf("bad %d", i)
			bad = append(bad, body)
			for try := range retries {
				tried = append(tried, fmt.Sprintf("%s try %d", body, try+1))
			}
		}
		tried = append(tried, body+" try 0")
		if err := checkSent(p.SendSync(context.Background(), r.message(body))); err != nil {
			return "", err
		}
	}
	in := newInbox()
	c, err := r.start(func(_ context.Context, messages ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
		for _, message := range messages {
			if string(message.Body) == "first" {
				continue
			}
			in.add(fmt.Sprintf("%s try %d", message.Body, message.ReconsumeTimes))
			if strings.HasPrefix(string(message.Body), "bad") {
				return consumer.ConsumeRetryLater, nil
			}
		}
		return consumer.ConsumeSuccess, nil
	}, all, consumer.WithMaxReconsumeTimes(retries))
	if err != nil {
		return "", err
	}
	defer c.Shutdown()
	if err := in.expectExactly(tried); err != nil {
		return "", err
	}
	// The last try is sent back only after it has failed.
	grave := run{namesrvs: r.namesrvs, topic: "%DLQ%" + r.group, group: r.group + "-dead"}
	if err := grave.awaitRoute(); err != nil {
		return "", err
	}
	return fmt.Sprintf("%d dead letters", len(bad)), grave.receiveExactly(bad, "*")
}

// createRetryTopic lets a first member of the group come and go: the brokers create the retry topic for it, and the
// next one finds it when it starts, and not only 20 s later.
func (r run) createRetryTopic() error {
	c, err := r.start(newInbox().listen, all)
	if err != nil {
		return err
	}
	retry := run{namesrvs: r.namesrvs, topic: "%RETRY%" + r.group}
	if err := retry.awaitRoute(); err != nil {
		return err
	}
	return c.Shutdown()
}

// delay sends delayed messages: they come when the time of their level is over, and not before.
func delay(r run) (string, error) {
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
	var mutex sync.Mutex
	var early error
	c, err := r.start(func(_ context.Context, messages ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
		for _, message := range messages {
			after := message.StoreTimestamp - message.BornTimestamp
			if string(message.Body) != "first" && after < 1000 {
				mutex.Lock()
				early = fmt.Errorf("%s came after %d ms", message.Body, after)
				mutex.Unlock()
			}
			in.add(string(message.Body))
		}
		return consumer.ConsumeSuccess, nil
	}, all)
	if err != nil {
		return "", err
	}
	defer c.Shutdown()
	for i := range laterCount {
		body := fmt.Sprintf("delayed %d", i)
		if err := checkSent(p.SendSync(context.Background(), r.message(body).WithDelayTimeLevel(1))); err != nil {
			return "", err
		}
		sent = append(sent, body)
	}
	if err := in.expectExactly(sent); err != nil {
		return "", err
	}
	mutex.Lock()
	defer mutex.Unlock()
	return fmt.Sprintf("%d messages", len(sent)), early
}

// ends says how the transaction of a message ends: at once, or when the producer is asked.
type ends struct{}

func (ends) state(word string) primitive.LocalTransactionState {
	switch word {
	case "commit":
		return primitive.CommitMessageState
	case "rollback":
		return primitive.RollbackMessageState
	default:
		return primitive.UnknowState
	}
}

func (e ends) ExecuteLocalTransaction(message *primitive.Message) primitive.LocalTransactionState {
	return e.state(strings.Split(string(message.Body), " ")[0])
}

func (e ends) CheckLocalTransaction(message *primitive.MessageExt) primitive.LocalTransactionState {
	return e.state(strings.Split(string(message.Body), " ")[1])
}

// transaction commits, rolls back, and lets the broker ask.
func transaction(r run) (string, error) {
	p, err := rocketmq.NewTransactionProducer(ends{},
		producer.WithNsResolver(primitive.NewPassthroughResolver(r.namesrvs)),
		producer.WithGroupName("P"+r.group),
		producer.WithInstanceName("producer-"+r.group),
		producer.WithSendMsgTimeout(10*time.Second))
	if err != nil {
		return "", err
	}
	if err := p.Start(); err != nil {
		return "", err
	}
	defer p.Shutdown()
	var committed []string
	for i := range laterCount {
		end := []string{"commit -", "rollback -", "unknown commit", "unknown rollback"}[i%4]
		body := fmt.Sprintf("%s %d", end, i)
		result, err := p.SendMessageInTransaction(context.Background(), r.message(body))
		if err != nil {
			return "", err
		}
		if err := checkSent(result.SendResult, nil); err != nil {
			return "", err
		}
		if strings.Contains(end, "commit") {
			committed = append(committed, body)
		}
	}
	return fmt.Sprintf("%d committed", len(committed)), r.receiveExactly(committed, "*")
}

// sql subscribes with a condition over properties.
func sql(r run) (string, error) {
	p, err := r.producer()
	if err != nil {
		return "", err
	}
	defer p.Shutdown()
	var wanted []string
	for i := range sendCount {
		body := fmt.Sprintf("number %d", i)
		message := r.message(body).WithTag([]string{"A", "B", "C"}[i%3])
		message.WithProperty("number", fmt.Sprint(i))
		if err := checkSent(p.SendSync(context.Background(), message)); err != nil {
			return "", err
		}
		if i%3 != 2 && i >= 20 && i <= 80 {
			wanted = append(wanted, body)
		}
	}
	in := newInbox()
	condition := consumer.MessageSelector{
		Type:       consumer.SQL92,
		Expression: "TAGS in ('A', 'B') and number between 20 and 80",
	}
	c, err := r.start(in.listen, condition)
	if err != nil {
		return "", err
	}
	defer c.Shutdown()
	return fmt.Sprintf("%d of %d messages", len(wanted), sendCount), in.expectExactly(wanted)
}

// requestReply asks, and gets the reply of a consumer.
func requestReply(r run) (string, error) {
	responder := run{namesrvs: r.namesrvs, topic: r.topic, group: r.group + "-responses"}
	responses, err := responder.producer()
	if err != nil {
		return "", err
	}
	defer responses.Shutdown()
	// By the other one: a requester that looks for a route tells the brokers of itself, where replies must find it.
	if _, err := r.createTopic(responses); err != nil {
		return "", err
	}
	p, err := r.producer()
	if err != nil {
		return "", err
	}
	defer p.Shutdown()
	c, err := r.start(func(_ context.Context, messages ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
		for _, message := range messages {
			if consumer.GetReplyToClient(message) == "" {
				continue
			}
			// The client takes a body that is given here for properties.
			reply, err := consumer.CreateReplyMessage(message, nil)
			if err != nil {
				return consumer.ConsumeRetryLater, err
			}
			reply.Body = []byte("reply to " + string(message.Body))
			// Refused until the brokers have heard of the requester.
			deadline := time.Now().Add(patience)
			for checkSent(responses.SendSync(context.Background(), reply)) != nil && time.Now().Before(deadline) {
				time.Sleep(100 * time.Millisecond)
			}
		}
		return consumer.ConsumeSuccess, nil
	}, all)
	if err != nil {
		return "", err
	}
	defer c.Shutdown()
	for i := range laterCount {
		body := fmt.Sprintf("request %d", i)
		reply, err := p.Request(context.Background(), patience, r.message(body))
		if err != nil {
			return "", err
		}
		if string(reply.Body) != "reply to "+body {
			return "", fmt.Errorf("%q was replied to %q", reply.Body, body)
		}
	}
	return fmt.Sprintf("%d requests", laterCount), nil
}
