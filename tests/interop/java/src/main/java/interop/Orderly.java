package interop;

import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** Messages of one order go to one queue and are consumed one after the other, under the broker's queue locks. */
final class Orderly {

    private static final int ORDERS = 10;
    private static final int STEPS = 20;

    private Orderly() {
    }

    static String run(Run run) throws Exception {
        DefaultMQProducer producer = run.producer();
        run.createTopic(producer);
        Set<String> sent = new HashSet<>(Set.of("first"));
        for (int step = 0; step < STEPS; step++) {
            for (int order = 0; order < ORDERS; order++) {
                Message message = run.message("order " + order + " step " + step);
                message.putUserProperty("order", String.valueOf(order));
                message.putUserProperty("step", String.valueOf(step));
                Run.sendOk(producer.send(message, Orderly::queueOf, order));
                sent.add("order " + order + " step " + step);
            }
        }

        // Two members, so that locks are asked for by both and each holds only its own.
        Inbox inbox = new Inbox();
        DefaultMQPushConsumer one = orderlyConsumer(run, inbox);
        DefaultMQPushConsumer two = orderlyConsumer(run, inbox);
        one.start();
        two.start();
        inbox.expectAtLeast(sent, "messages of all orders");
        checkOrder(inbox.messages());
        one.shutdown();
        two.shutdown();
        producer.shutdown();
        return ORDERS + " orders of " + STEPS + " steps";
    }

    private static MessageQueue queueOf(List<MessageQueue> queues, Message message, Object order) {
        return queues.get((Integer) order % queues.size());
    }

    private static DefaultMQPushConsumer orderlyConsumer(Run run, Inbox inbox) throws Exception {
        DefaultMQPushConsumer consumer = run.pushConsumer(run.group);
        consumer.subscribe(run.topic, "*");
        consumer.registerMessageListener(inbox.orderly());
        return consumer;
    }

    /** A queue that changed hands may be read again from its last committed offset, but no step may be skipped. */
    private static void checkOrder(List<MessageExt> messages) {
        Map<String, Integer> furthest = new HashMap<>();
        for (MessageExt message : messages) {
            String order = message.getUserProperty("order");
            if (order == null) {
                continue;
            }
            int step = Integer.parseInt(message.getUserProperty("step"));
            int expected = furthest.getOrDefault(order, -1) + 1;
            Run.check(step <= expected, "order " + order + " jumped from step " + (expected - 1) + " to " + step);
            furthest.put(order, Math.max(step, expected - 1));
        }
    }
}
