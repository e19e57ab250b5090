package interop;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/**
 * A batch is stored as single messages, in order. Their ids are not compared with the answer: a 5.x client gives the
 * batch an id of its own among the request's properties, which brokers append to the properties of each message.
 */
final class Batch {

    private static final int COUNT = 50;

    private Batch() {
    }

    static String run(Run run) throws Exception {
        DefaultMQProducer producer = run.producer();
        List<Message> batch = new ArrayList<>();
        Set<String> bodies = new HashSet<>();
        for (int i = 0; i < COUNT; i++) {
            Message message = run.message("batch " + i);
            message.setTags(i % 2 == 0 ? "even" : "odd");
            message.setKeys("key" + i);
            message.putUserProperty("number", String.valueOf(i));
            batch.add(message);
            bodies.add("batch " + i);
        }
        SendResult result = Run.sendOk(producer.send(batch));
        Run.checkEquals(COUNT, result.getMsgId().split(",").length, "number of ids in " + result);
        Run.checkEquals(COUNT, result.getOffsetMsgId().split(",").length, "number of offset ids in " + result);

        Inbox inbox = new Inbox();
        DefaultMQPushConsumer consumer = run.pushConsumer(run.group);
        consumer.subscribe(run.topic, "*");
        consumer.registerMessageListener(inbox.concurrently());
        consumer.start();
        inbox.expectExactly(bodies, "messages of the batch");
        for (MessageExt message : inbox.messages()) {
            int number = Integer.parseInt(message.getUserProperty("number"));
            Run.checkEquals("batch " + number, Inbox.body(message), "body of message " + number);
            Run.checkEquals(number % 2 == 0 ? "even" : "odd", message.getTags(), "tag of message " + number);
            Run.checkEquals("key" + number, message.getKeys(), "keys of message " + number);
            Run.checkEquals((long) number, message.getQueueOffset(), "queue offset of message " + number);
        }
        consumer.shutdown();
        producer.shutdown();
        return COUNT + " messages in one batch";
    }
}
