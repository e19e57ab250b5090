package interop;

import java.util.ArrayList;
import java.util.List;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.store.OffsetStore;
import org.apache.rocketmq.client.consumer.store.ReadOffsetType;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageQueue;

/** Leaves messages, a topic, a group and its offsets in the broker's store. */
final class StoreWrite {

    private static final int BATCH = 50;

    private StoreWrite() {
    }

    static String run(Run run) throws Exception {
        DefaultMQProducer producer = run.producer();
        for (int i = 0; i < Stored.CONSUMED; i++) {
            Run.sendOk(producer.send(Stored.message(run, i)));
        }
        consumeAll(run, producer);
        for (int i = Stored.CONSUMED; i < Stored.COUNT - BATCH; i++) {
            Run.sendOk(producer.send(Stored.message(run, i)));
        }
        List<Message> batch = new ArrayList<>();
        for (int i = Stored.COUNT - BATCH; i < Stored.COUNT; i++) {
            batch.add(Stored.message(run, i));
        }
        Run.sendOk(producer.send(batch));
        producer.shutdown();
        return Stored.COUNT + " messages, " + Stored.CONSUMED + " of them consumed";
    }

    private static void consumeAll(Run run, DefaultMQProducer producer) throws Exception {
        Inbox inbox = new Inbox();
        DefaultMQPushConsumer consumer = run.pushConsumer(run.group);
        consumer.subscribe(run.topic, "*");
        consumer.registerMessageListener(inbox.concurrently());
        consumer.start();
        inbox.expectExactly(Stored.bodies(0, Stored.CONSUMED), "messages of the first part");
        // A listener returns before its message counts as consumed; only then may the member leave.
        OffsetStore offsets = consumer.getDefaultMQPushConsumerImpl().getOffsetStore();
        for (MessageQueue queue : consumer.fetchSubscribeMessageQueues(run.topic)) {
            Run.await("consumed offset of " + queue, () -> offsets.readOffset(queue, ReadOffsetType.READ_FROM_MEMORY)
                == producer.maxOffset(queue));
        }
        consumer.shutdown();
    }
}
