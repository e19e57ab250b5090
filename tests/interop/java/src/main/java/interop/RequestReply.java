package interop;

import java.nio.charset.StandardCharsets;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.exception.RequestTimeoutException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.utils.MessageUtil;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/** Every request gets its own reply; one that nobody replies to ends with the requester's time. */
final class RequestReply {

    private static final int COUNT = 20;

    private RequestReply() {
    }

    static String run(Run run) throws Exception {
        DefaultMQProducer responses = run.producer();
        // By this one: a requester that looks for a route tells the brokers of itself, where replies must find it.
        run.createTopic(responses);
        DefaultMQPushConsumer consumer = answering(run, responses, new AtomicInteger());
        String asked = ask(run);
        consumer.shutdown();
        responses.shutdown();
        return asked;
    }

    /** The requester alone; the topic must exist. */
    static String ask(Run run) throws Exception {
        DefaultMQProducer producer = new DefaultMQProducer("requesters" + run.group);
        run.configure(producer);
        producer.setSendMsgTimeout(10_000);
        producer.start();
        for (int i = 0; i < COUNT; i++) {
            Message reply = producer.request(run.message("request " + i), 30_000);
            String body = new String(reply.getBody(), StandardCharsets.UTF_8);
            Run.checkEquals("reply " + i, body, "reply to request " + i);
        }
        try {
            producer.request(run.message("nobody replies to this"), 1000);
            throw new AssertionError("a reply that nobody gave");
        } catch (RequestTimeoutException late) {
            // As it should be.
        }
        producer.shutdown();
        return COUNT + " requests";
    }

    /** The one who replies alone, until all requests have their reply. */
    static String answer(Run run) throws Exception {
        DefaultMQProducer responses = run.producer();
        run.createTopic(responses);
        AtomicInteger replies = new AtomicInteger();
        DefaultMQPushConsumer consumer = answering(run, responses, replies);
        System.out.println("answering");
        Run.await("all requests", () -> replies.get() == COUNT);
        consumer.shutdown();
        responses.shutdown();
        return COUNT + " replies";
    }

    private static DefaultMQPushConsumer answering(Run run, DefaultMQProducer responses, AtomicInteger replies)
            throws Exception {
        DefaultMQPushConsumer consumer = run.pushConsumer(run.group);
        consumer.subscribe(run.topic, "*");
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
                for (MessageExt message : messages) {
                    String body = Inbox.body(message);
                    if (body.startsWith("request")) {
                        reply(responses, message, body.replace("request", "reply"));
                        replies.incrementAndGet();
                    }
                }
                return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
            });
        consumer.start();
        return consumer;
    }

    private static void reply(DefaultMQProducer responses, MessageExt request, String body) {
        try {
            byte[] bytes = body.getBytes(StandardCharsets.UTF_8);
            Run.sendOk(responses.send(MessageUtil.createReplyMessage(request, bytes)));
        } catch (Exception wrong) {
            throw new AssertionError("the reply cannot be sent", wrong);
        }
    }
}
