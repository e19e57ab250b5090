package interop;

import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** Delayed messages come when their level's time is over, not before, and in order; they keep what they are. */
final class Delay {

    private static final int COUNT = 20;
    /** Of levels 1 and 2, as the broker of this test is told. */
    private static final long[] DELAY_MILLIS = {1000, 2000};

    private Delay() {
    }

    static String run(Run run) throws Exception {
        DefaultMQProducer producer = run.producer();
        List<MessageQueue> queues = run.createTopic(producer);
        Inbox inbox = new Inbox();
        DefaultMQPushConsumer consumer = run.pushConsumer(run.group);
        consumer.subscribe(run.topic, "*");
        consumer.registerMessageListener(inbox.concurrently());
        consumer.start();

        Set<String> sent = new HashSet<>(Set.of("first"));
        for (int i = 0; i < COUNT; i++) {
            int level = 1 + i % 2;
            Message message = run.message("level " + level + " number " + i);
            message.setDelayTimeLevel(level);
            message.setTags("tag" + level);
            message.setKeys("key" + i);
            Run.sendOk(producer.send(message, queues.get(0)));
            sent.add("level " + level + " number " + i);
        }
        inbox.expectExactly(sent, "delayed messages");
        for (int level = 1; level <= 2; level++) {
            String tag = "tag" + level;
            List<MessageExt> ofLevel = inbox.messages().stream()
                .filter(message -> tag.equals(message.getTags()))
                .sorted((a, b) -> Long.compare(a.getQueueOffset(), b.getQueueOffset()))
                .collect(Collectors.toList());
            for (int i = 0; i < ofLevel.size(); i++) {
                MessageExt message = ofLevel.get(i);
                int number = 2 * i + level - 1;
                Run.checkEquals("level " + level + " number " + number, Inbox.body(message), "message " + i);
                Run.checkEquals("key" + number, message.getKeys(), "keys of message " + i);
                Run.checkEquals(queues.get(0).getQueueId(), message.getQueueId(), "queue of message " + i);
                long after = message.getStoreTimestamp() - message.getBornTimestamp();
                Run.check(after >= DELAY_MILLIS[level - 1], message + " came after " + after + " ms");
            }
        }
        consumer.shutdown();
        producer.shutdown();
        return COUNT + " messages of two levels";
    }
}
