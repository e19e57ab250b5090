package interop;

import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.MixAll;
import org.apache.rocketmq.common.message.MessageExt;

/** Messages that fail come back twice, as the group wants, and end in its dead-letter topic; others are not touched. */
final class DeadLetters {

    private static final int COUNT = 20;
    private static final int RETRIES = 2;

    private DeadLetters() {
    }

    static String run(Run run) throws Exception {
        DefaultMQProducer producer = run.producer();
        Map<String, String> ids = new HashMap<>();
        Set<String> bad = new HashSet<>();
        Set<String> good = new HashSet<>();
        for (int i = 0; i < COUNT; i++) {
            String body = (i % 2 == 0 ? "good " : "bad ") + i;
            ids.put(body, Run.sendOk(producer.send(run.message(body))).getMsgId());
            (i % 2 == 0 ? good : bad).add(body);
        }
        Inbox inbox = new Inbox();
        DefaultMQPushConsumer consumer = run.pushConsumer(run.group);
        consumer.setMaxReconsumeTimes(RETRIES);
        consumer.subscribe(run.topic, "*");
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
                inbox.add(messages);
                return Inbox.body(messages.get(0)).startsWith("good")
                    ? ConsumeConcurrentlyStatus.CONSUME_SUCCESS : ConsumeConcurrentlyStatus.RECONSUME_LATER;
            });
        consumer.start();

        // A consumer of a topic that is not there yet would wait for its next look at routes.
        run.awaitRoute(producer, MixAll.getDLQTopic(run.group));
        Inbox dead = new Inbox();
        DefaultMQPushConsumer undertaker = run.pushConsumer(run.group + "-dead");
        undertaker.subscribe(MixAll.getDLQTopic(run.group), "*");
        undertaker.registerMessageListener(dead.concurrently());
        undertaker.start();
        dead.expectExactly(bad, "dead letters");
        for (MessageExt message : dead.messages()) {
            Run.checkEquals(ids.get(Inbox.body(message)), message.getMsgId(), "id of dead letter " + message);
        }

        Map<String, Integer> tries = new HashMap<>();
        for (MessageExt message : inbox.messages()) {
            String body = Inbox.body(message);
            Run.checkEquals(tries.merge(body, 1, Integer::sum) - 1, message.getReconsumeTimes(), "tries of " + body);
            Run.checkEquals(run.topic, message.getTopic(), "topic of " + body);
            Run.checkEquals(ids.get(body), message.getMsgId(), "id of " + body);
        }
        for (String body : good) {
            Run.checkEquals(1, tries.get(body), "number of times " + body + " came");
        }
        for (String body : bad) {
            Run.checkEquals(1 + RETRIES, tries.get(body), "number of times " + body + " came");
        }
        consumer.shutdown();
        undertaker.shutdown();
        producer.shutdown();
        return bad.size() + " dead letters, each tried " + (1 + RETRIES) + " times";
    }
}
