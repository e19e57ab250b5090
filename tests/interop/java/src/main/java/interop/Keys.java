package interop;

import java.util.Set;
import java.util.stream.Collectors;
import org.apache.rocketmq.client.QueryResult;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/** Finds messages by key, by unique id and by offset id. */
final class Keys {

    private Keys() {
    }

    static String run(Run run) throws Exception {
        long before = System.currentTimeMillis();
        DefaultMQProducer producer = run.producer();
        SendResult one = send(producer, run, "one", "order-1 shared");
        SendResult two = send(producer, run, "two", "order-2 shared");

        // The index is built behind the log.
        Run.await("order-1 in the index", () -> found(producer, run, "order-1", before).equals(Set.of("one")));
        Run.await("order-2 in the index", () -> found(producer, run, "order-2", before).equals(Set.of("two")));
        Run.await("both in the index", () -> found(producer, run, "shared", before).equals(Set.of("one", "two")));

        MessageExt byOffsetId = producer.viewMessage(run.topic, one.getOffsetMsgId());
        Run.checkEquals("one", Inbox.body(byOffsetId), "message by offset id");
        Run.checkEquals("order-1 shared", byOffsetId.getKeys(), "keys of the message by offset id");
        MessageExt byUniqueId = producer.viewMessage(run.topic, two.getMsgId());
        Run.checkEquals("two", Inbox.body(byUniqueId), "message by unique id");
        Run.checkEquals(two.getQueueOffset(), byUniqueId.getQueueOffset(), "queue offset of the message by unique id");
        producer.shutdown();
        return "2 messages";
    }

    private static SendResult send(DefaultMQProducer producer, Run run, String body, String keys) throws Exception {
        Message message = run.message(body);
        message.setKeys(keys);
        return Run.sendOk(producer.send(message));
    }

    private static Set<String> found(DefaultMQProducer producer, Run run, String key, long from) throws Exception {
        try {
            QueryResult result = producer.queryMessage(run.topic, key, 32, from, System.currentTimeMillis() + 1000);
            return result.getMessageList().stream().map(Inbox::body).collect(Collectors.toSet());
        } catch (MQClientException notFound) {
            return Set.of();
        }
    }
}
