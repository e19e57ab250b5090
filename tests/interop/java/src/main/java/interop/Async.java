package interop;

import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendCallback;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;

/** Many sends in flight: each gets its own answer, and each message arrives once. */
final class Async {

    private static final int COUNT = 500;

    private Async() {
    }

    static String run(Run run) throws Exception {
        DefaultMQProducer producer = run.producer();
        // Connected and created first: 500 callers waiting for one route would time out on a slow machine.
        run.createTopic(producer);
        Set<String> sent = new HashSet<>(Set.of("first"));
        Set<String> ids = ConcurrentHashMap.newKeySet();
        List<String> errors = new CopyOnWriteArrayList<>();
        for (int i = 0; i < COUNT; i++) {
            String body = "async " + i;
            sent.add(body);
            producer.send(run.message(body), new SendCallback() {
                @Override
                public void onSuccess(SendResult result) {
                    if (result.getSendStatus() == SendStatus.SEND_OK) {
                        ids.add(result.getOffsetMsgId());
                    } else {
                        errors.add(result.toString());
                    }
                }

                @Override
                public void onException(Throwable e) {
                    errors.add(e.toString());
                }
            });
        }
        Run.await("all answers", () -> ids.size() + errors.size() == COUNT);
        Run.check(errors.isEmpty(), "sends failed: " + errors);

        Inbox inbox = new Inbox();
        DefaultMQPushConsumer consumer = run.pushConsumer(run.group);
        consumer.subscribe(run.topic, "*");
        consumer.registerMessageListener(inbox.concurrently());
        consumer.start();
        inbox.expectExactly(sent, "messages sent asynchronously");
        consumer.shutdown();
        producer.shutdown();
        return COUNT + " messages";
    }
}
