package interop;

import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageQueue;

/** Of two members that consume in order one leaves: the other one goes on with its queues, still in order. */
final class OrderlyLeave {

    /**
     * A consumer asks for its locks 1 s after its start, and then each 20 s, without a look at whether it has left: then
     * they are nobody's until they expire.
     */
    private static final long FIRST_LOCKS_MILLIS = 2500;

    private OrderlyLeave() {
    }

    static String run(Run run) throws Exception {
        DefaultMQProducer producer = run.producer();
        List<MessageQueue> queues = run.createTopic(producer);
        Set<String> sent = new HashSet<>(Set.of("first"));
        int[] steps = new int[queues.size()];
        Inbox both = new Inbox();
        Inbox one = new Inbox();
        Inbox two = new Inbox();
        DefaultMQPushConsumer stays = member(run, one, both);
        DefaultMQPushConsumer leaves = member(run, two, both);
        stays.start();
        leaves.start();
        long started = System.currentTimeMillis();
        Run.await("messages at both members", () -> {
            send(run, producer, queues, steps, sent);
            return one.size() > 10 && two.size() > 10 && System.currentTimeMillis() - started > FIRST_LOCKS_MILLIS;
        });
        leaves.shutdown();
        int atOneWhoLeft = two.size();
        for (int i = 0; i < 20; i++) {
            send(run, producer, queues, steps, sent);
        }
        both.expectAtLeast(sent, "messages of all queues");
        Run.checkEquals(atOneWhoLeft, two.size(), "number of messages at the member that left");
        checkOrder(both.bodies());
        stays.shutdown();
        producer.shutdown();
        return sent.size() + " messages, " + one.size() + " + " + two.size() + " received";
    }

    /** The next step of every queue. */
    private static void send(Run run, DefaultMQProducer producer, List<MessageQueue> queues, int[] steps,
            Set<String> sent) throws Exception {
        for (int i = 0; i < steps.length; i++) {
            String body = i + " " + steps[i]++;
            Message message = run.message(body);
            Run.sendOk(producer.send(message, queues.get(i)));
            sent.add(body);
        }
    }

    private static DefaultMQPushConsumer member(Run run, Inbox own, Inbox both) throws Exception {
        DefaultMQPushConsumer consumer = run.pushConsumer(run.group);
        consumer.subscribe(run.topic, "*");
        consumer.registerMessageListener((MessageListenerOrderly) (messages, context) -> {
                own.add(messages);
                both.add(messages);
                return ConsumeOrderlyStatus.SUCCESS;
            });
        return consumer;
    }

    /** A queue that changed hands may be read again from its last committed offset, but no step may be skipped. */
    private static void checkOrder(List<String> bodies) {
        Map<String, Integer> next = new HashMap<>();
        for (String body : bodies) {
            String[] parts = body.split(" ");
            if (parts.length == 2) {
                int step = Integer.parseInt(parts[1]);
                int expected = next.getOrDefault(parts[0], 0);
                Run.check(step <= expected, "queue " + parts[0] + " jumped to step " + step + " from " + expected);
                next.put(parts[0], Math.max(expected, step + 1));
            }
        }
    }
}
