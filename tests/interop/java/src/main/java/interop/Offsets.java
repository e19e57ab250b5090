package interop;

import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.consumer.store.ReadOffsetType;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.MessageQueue;

/** What a queue says about itself, and a group that goes on exactly where it stopped. */
final class Offsets {

    private static final int COUNT = 50;

    private Offsets() {
    }

    static String run(Run run) throws Exception {
        long before = System.currentTimeMillis();
        DefaultMQProducer producer = run.producer();
        // The first message lies in one of the queues; the scenario uses an empty one.
        run.createTopic(producer);
        MessageQueue queue = emptyQueue(run, producer);

        Map<String, SendResult> early = send(run, producer, queue, "early");
        long between = nextMillisecond();
        Map<String, SendResult> late = send(run, producer, queue, "late");

        Run.checkEquals(0L, producer.minOffset(queue), "min offset");
        Run.checkEquals(2L * COUNT, producer.maxOffset(queue), "max offset");
        // The message nearest to a time is found: only the time of a message itself names it for certain.
        String firstLate = late.values().iterator().next().getOffsetMsgId();
        long stored = producer.viewMessage(run.topic, firstLate).getStoreTimestamp();
        // The consume queue, which the search reads, is built behind the log.
        Run.await("offset of the first late message",
            () -> producer.searchOffset(queue, stored) == COUNT);
        Run.checkEquals(0L, producer.searchOffset(queue, before), "offset of a time before everything");
        long earliest = producer.earliestMsgStoreTime(queue);
        Run.check(earliest >= before && earliest <= between,
            "earliest store time " + earliest + " is not in " + before + ".." + between);

        Set<String> all = new HashSet<>(early.keySet());
        all.addAll(late.keySet());
        consume(run, queue, all, 2L * COUNT);
        Set<String> afterRestart = send(run, producer, queue, "after restart").keySet();
        consume(run, queue, afterRestart, 3L * COUNT);
        producer.shutdown();
        return 3 * COUNT + " messages in two sittings";
    }

    private static MessageQueue emptyQueue(Run run, DefaultMQProducer producer) throws Exception {
        for (MessageQueue queue : producer.fetchPublishMessageQueues(run.topic)) {
            if (producer.maxOffset(queue) == 0) {
                return queue;
            }
        }
        throw new AssertionError("no empty queue");
    }

    /** Sends messages one after the other; what they were answered, by their bodies. */
    private static Map<String, SendResult> send(Run run, DefaultMQProducer producer, MessageQueue queue, String word)
            throws Exception {
        Map<String, SendResult> results = new LinkedHashMap<>();
        for (int i = 0; i < COUNT; i++) {
            String body = word + " " + i;
            results.put(body, Run.sendOk(producer.send(run.message(body), queue)));
        }
        return results;
    }

    private static void consume(Run run, MessageQueue queue, Set<String> expected, long upTo) throws Exception {
        Inbox inbox = new Inbox();
        DefaultMQPushConsumer consumer = run.pushConsumer(run.group);
        consumer.subscribe(run.topic, "*");
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
                if (context.getMessageQueue().equals(queue)) {
                    inbox.add(messages);
                }
                return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
            });
        consumer.start();
        inbox.expectExactly(expected, "messages of " + queue);
        // A listener returns before its message counts as consumed; only then may the member leave.
        Run.await("consumed offset " + upTo, () -> consumer.getDefaultMQPushConsumerImpl().getOffsetStore()
            .readOffset(queue, ReadOffsetType.READ_FROM_MEMORY) == upTo);
        consumer.shutdown();
    }

    /** A time that separates what was stored before from what will be stored after. */
    private static long nextMillisecond() throws Exception {
        long now = System.currentTimeMillis();
        Run.await("the clock", () -> System.currentTimeMillis() > now + 1);
        return System.currentTimeMillis();
    }
}
