package interop;

import java.util.List;
import java.util.Set;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** Finds everything that {@link StoreWrite} left: the log, the queues, the index, the topic, the group's offsets. */
@SuppressWarnings("deprecation")
final class StoreRead {

    private StoreRead() {
    }

    static String run(Run run) throws Exception {
        pullAll(run);
        findByKey(run);
        goOn(run);
        return Stored.COUNT + " messages found, " + (Stored.COUNT - Stored.CONSUMED) + " of them consumed now";
    }

    private static void pullAll(Run run) throws Exception {
        DefaultMQPullConsumer consumer = new DefaultMQPullConsumer(run.group);
        run.configure(consumer);
        consumer.start();
        Inbox inbox = new Inbox();
        Set<MessageQueue> queues = consumer.fetchSubscribeMessageQueues(run.topic);
        Run.checkEquals(4, queues.size(), "number of queues");
        for (MessageQueue queue : queues) {
            long next = consumer.minOffset(queue);
            Run.checkEquals(0L, next, "min offset of " + queue);
            long end = consumer.maxOffset(queue);
            while (next < end) {
                PullResult result = consumer.pull(queue, "*", next, 32);
                Run.checkEquals(PullStatus.FOUND, result.getPullStatus(), "status of the pull at " + next);
                inbox.add(result.getMsgFoundList());
                next = result.getNextBeginOffset();
            }
        }
        inbox.expectExactly(Stored.bodies(0, Stored.COUNT), "messages in the store");
        inbox.messages().forEach(Stored::check);
        consumer.shutdown();
    }

    private static void findByKey(Run run) throws Exception {
        DefaultMQProducer producer = run.producer();
        for (int i = 0; i < Stored.COUNT; i += 77) {
            List<MessageExt> found =
                producer.queryMessage(run.topic, Stored.key(i), 32, 0, System.currentTimeMillis()).getMessageList();
            Run.checkEquals(1, found.size(), "number of messages with " + Stored.key(i));
            Run.checkEquals(Stored.body(i), Inbox.body(found.get(0)), "message with " + Stored.key(i));
        }
        producer.shutdown();
    }

    private static void goOn(Run run) throws Exception {
        Inbox inbox = new Inbox();
        DefaultMQPushConsumer consumer = run.pushConsumer(run.group);
        consumer.subscribe(run.topic, "*");
        consumer.registerMessageListener(inbox.concurrently());
        consumer.start();
        inbox.expectExactly(Stored.bodies(Stored.CONSUMED, Stored.COUNT), "messages the group had not consumed");
        consumer.shutdown();
    }
}
