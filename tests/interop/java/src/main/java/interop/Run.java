package interop;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.rocketmq.client.ClientConfig;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageQueue;

/** One run of one scenario: its names, its clients, and the few words that all scenarios need. */
final class Run {

    private static final long PATIENCE_MILLIS = 60_000;
    private static final long POLL_MILLIS = 20;

    final String namesrv;
    final String topic;
    final String group;
    private final AtomicInteger instances = new AtomicInteger();

    Run(String namesrv, String scenario, String run) {
        this.namesrv = namesrv;
        this.topic = "T-" + scenario + "-" + run;
        this.group = "G-" + scenario + "-" + run;
    }

    DefaultMQProducer producer() throws MQClientException {
        DefaultMQProducer producer = new DefaultMQProducer("P" + group);
        configure(producer);
        // The first send waits for JIT, auto-creation and a first disk segment.
        producer.setSendMsgTimeout(10_000);
        producer.start();
        return producer;
    }

    /** Not started; sees everything that is in the topic. */
    DefaultMQPushConsumer pushConsumer(String consumerGroup) {
        DefaultMQPushConsumer consumer = new DefaultMQPushConsumer(consumerGroup);
        configure(consumer);
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        return consumer;
    }

    /** Every client is a member of its own, as if in a process of its own, and looks for new routes each second. */
    void configure(ClientConfig client) {
        client.setNamesrvAddr(namesrv);
        client.setInstanceName("instance-" + ProcessHandle.current().pid() + "-" + instances.incrementAndGet());
        client.setPollNameServerInterval(1000);
        // The first question to the name server waits for JIT and class loading.
        client.setMqClientApiTimeout(15_000);
    }

    Message message(String body) {
        return new Message(topic, body.getBytes(StandardCharsets.UTF_8));
    }

    /**
     * Sends a first message so that the topic exists, and returns its queues once the name server knows them,
     * ordered by broker and queue id.
     */
    List<MessageQueue> createTopic(DefaultMQProducer producer) throws Exception {
        sendOk(producer.send(message("first")));
        return awaitRoute(producer, topic);
    }

    /** The queues of a topic that somebody else creates, once the name server knows them. */
    List<MessageQueue> awaitRoute(DefaultMQProducer producer, String of) throws Exception {
        List<MessageQueue> queues = new ArrayList<>();
        await("route of " + of, () -> {
            try {
                queues.addAll(producer.fetchPublishMessageQueues(of));
            } catch (MQClientException notYet) {
                return false;
            }
            return !queues.isEmpty();
        });
        queues.sort(Comparator.naturalOrder());
        return queues;
    }

    static SendResult sendOk(SendResult result) {
        check(result.getSendStatus() == SendStatus.SEND_OK, "send was answered " + result);
        return result;
    }

    static void check(boolean condition, String otherwise) {
        if (!condition) {
            throw new AssertionError(otherwise);
        }
    }

    static void checkEquals(Object expected, Object found, String what) {
        check(expected.equals(found), what + " is " + found + ", expected " + expected);
    }

    /** Same members; a long difference is cut. */
    static void checkSameMembers(Set<String> expected, Collection<String> found, String what) {
        List<String> missing = new ArrayList<>(expected);
        missing.removeAll(Set.copyOf(found));
        List<String> strange = new ArrayList<>(found);
        strange.removeAll(expected);
        check(missing.isEmpty() && strange.isEmpty(), what + ": " + missing.size() + " missing "
            + missing.subList(0, Math.min(5, missing.size())) + ", " + strange.size() + " unexpected "
            + strange.subList(0, Math.min(5, strange.size())));
    }

    /** Waits for a condition that only asking can tell. */
    static void await(String what, Callable<Boolean> condition) throws Exception {
        long deadline = System.currentTimeMillis() + PATIENCE_MILLIS;
        while (!condition.call()) {
            check(System.currentTimeMillis() < deadline, "waited in vain for " + what);
            Thread.sleep(POLL_MILLIS);
        }
    }
}
