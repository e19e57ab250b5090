package interop;

import java.util.HashSet;
import java.util.Set;
import java.util.concurrent.Callable;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.producer.DefaultMQProducer;

/** A second member joins while messages flow: it gets a share, and nothing is lost. It leaves: the first has all. */
final class Rebalance {

    private Rebalance() {
    }

    static String run(Run run) throws Exception {
        DefaultMQProducer producer = run.producer();
        run.createTopic(producer);
        Set<String> sent = new HashSet<>(Set.of("first"));
        Inbox both = new Inbox();
        Inbox one = new Inbox();
        Inbox two = new Inbox();

        DefaultMQPushConsumer first = member(run, one, both);
        first.start();
        sendUntil(run, producer, sent, "a message at the first member", () -> one.size() > 0);
        DefaultMQPushConsumer second = member(run, two, both);
        second.start();
        sendUntil(run, producer, sent, "messages at the second member", () -> two.size() >= 20);
        int atFirst = one.size();
        sendUntil(run, producer, sent, "messages at both members", () -> one.size() > atFirst + 20);
        both.expectAtLeast(sent, "messages at either member");

        second.shutdown();
        int atSecond = two.size();
        for (int i = 0; i < 100; i++) {
            sendOne(run, producer, sent);
        }
        both.expectAtLeast(sent, "messages after the second member left");
        Run.checkEquals(atSecond, two.size(), "number of messages at the member that left");
        first.shutdown();
        producer.shutdown();
        return sent.size() + " messages, " + one.size() + " + " + two.size() + " received";
    }

    private static DefaultMQPushConsumer member(Run run, Inbox own, Inbox both) throws Exception {
        DefaultMQPushConsumer consumer = run.pushConsumer(run.group);
        consumer.subscribe(run.topic, "*");
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
                own.add(messages);
                both.add(messages);
                return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
            });
        return consumer;
    }

    private static void sendUntil(Run run, DefaultMQProducer producer, Set<String> sent, String what,
            Callable<Boolean> condition) throws Exception {
        Run.await(what, () -> {
            sendOne(run, producer, sent);
            return condition.call();
        });
    }

    private static void sendOne(Run run, DefaultMQProducer producer, Set<String> sent) throws Exception {
        String body = "rebalance " + sent.size();
        Run.sendOk(producer.send(run.message(body)));
        sent.add(body);
    }
}
