package main

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/primitive"
)

const sendCount = 200

func sendSync(r run) (string, error) {
	p, err := r.producer()
	if err != nil {
		return "", err
	}
	defer p.Shutdown()
	sent, err := r.sendMany(p, "sync")
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d messages", len(sent)), r.receiveExactly(sent, "*")
}

// sendMany sends numbered messages with this word, and returns what it sent.
func (r run) sendMany(p rocketmq.Producer, word string) ([]string, error) {
	var sent []string
	for i := range sendCount {
		body := fmt.Sprintf("%s %d", word, i)
		if err := checkSent(p.SendSync(context.Background(), r.message(body))); err != nil {
			return nil, err
		}
		sent = append(sent, body)
	}
	return sent, nil
}

func sendAsync(r run) (string, error) {
	p, err := r.producer()
	if err != nil {
		return "", err
	}
	defer p.Shutdown()
	// The first message creates the topic, so that the others need not do it all at once.
	if err := checkSent(p.SendSync(context.Background(), r.message("first"))); err != nil {
		return "", err
	}
	sent := []string{"first"}
	failures := make(chan error, sendCount)
	var answers sync.WaitGroup
	for i := range sendCount {
		body := fmt.Sprintf("async %d", i)
		sent = append(sent, body)
		answers.Add(1)
		answer := func(_ context.Context, result *primitive.SendResult, err error) {
			defer answers.Done()
			if err := checkSent(result, err); err != nil {
				failures <- err
			}
		}
		if err := p.SendAsync(context.Background(), answer, r.message(body)); err != nil {
			return "", err
		}
	}
	answers.Wait()
	close(failures)
	var all error
	for failure := range failures {
		all = errors.Join(all, failure)
	}
	if all != nil {
		return "", all
	}
	return fmt.Sprintf("%d messages", len(sent)), r.receiveExactly(sent, "*")
}

func sendOneway(r run) (string, error) {
	p, err := r.producer()
	if err != nil {
		return "", err
	}
	defer p.Shutdown()
	// One-way sends to a topic that is being created may be lost: that is their contract.
	if err := checkSent(p.SendSync(context.Background(), r.message("first"))); err != nil {
		return "", err
	}
	sent := []string{"first"}
	for i := range sendCount {
		body := fmt.Sprintf("oneway %d", i)
		if err := p.SendOneWay(context.Background(), r.message(body)); err != nil {
			return "", err
		}
		sent = append(sent, body)
	}
	return fmt.Sprintf("%d messages", len(sent)), r.receiveExactly(sent, "*")
}

func sendBatch(r run) (string, error) {
	p, err := r.producer()
	if err != nil {
		return "", err
	}
	defer p.Shutdown()
	var batch []*primitive.Message
	var sent []string
	for i := range 50 {
		body := fmt.Sprintf("batch %d", i)
		batch = append(batch, r.message(body))
		sent = append(sent, body)
	}
	if err := checkSent(p.SendSync(context.Background(), batch...)); err != nil {
		return "", err
	}
	return fmt.Sprintf("%d messages in one batch", len(sent)), r.receiveExactly(sent, "*")
}
