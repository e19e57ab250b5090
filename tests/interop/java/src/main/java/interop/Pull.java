package interop;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** The plain pull consumer: the program keeps the offsets, queue by queue. */
@SuppressWarnings("deprecation")
final class Pull {

    private static final int COUNT = 200;

    private Pull() {
    }

    static String run(Run run) throws Exception {
        DefaultMQProducer producer = run.producer();
        run.createTopic(producer);
        Set<String> sent = new HashSet<>(Set.of("first"));
        for (int i = 0; i < COUNT; i++) {
            Run.sendOk(producer.send(run.message("pull " + i)));
            sent.add("pull " + i);
        }
        DefaultMQPullConsumer consumer = new DefaultMQPullConsumer(run.group);
        run.configure(consumer);
        consumer.start();
        List<String> received = new ArrayList<>();
        for (MessageQueue queue : consumer.fetchSubscribeMessageQueues(run.topic)) {
            long next = consumer.minOffset(queue);
            Run.checkEquals(0L, next, "min offset of " + queue);
            long end = consumer.maxOffset(queue);
            while (next < end) {
                PullResult result = consumer.pull(queue, "*", next, 32);
                Run.checkEquals(PullStatus.FOUND, result.getPullStatus(), "status of the pull at " + next);
                for (MessageExt message : result.getMsgFoundList()) {
                    Run.checkEquals(next++, message.getQueueOffset(), "queue offset in " + queue);
                    received.add(Inbox.body(message));
                }
                Run.checkEquals(next, result.getNextBeginOffset(), "next offset of " + queue);
            }
            PullResult atEnd = consumer.pull(queue, "*", end, 32);
            Run.checkEquals(PullStatus.NO_NEW_MSG, atEnd.getPullStatus(), "status of the pull at the end");
            PullResult beyond = consumer.pull(queue, "*", end + 1000, 32);
            Run.checkEquals(PullStatus.OFFSET_ILLEGAL, beyond.getPullStatus(), "status of the pull beyond the end");
            Run.checkEquals(end, beyond.getNextBeginOffset(), "where the pull beyond the end is sent to");
            consumer.updateConsumeOffset(queue, end);
        }
        Run.checkSameMembers(sent, received, "messages pulled");
        Run.checkEquals(sent.size(), received.size(), "number of messages pulled");
        consumer.shutdown();
        producer.shutdown();
        return received.size() + " messages";
    }
}
