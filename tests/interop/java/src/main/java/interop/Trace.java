package interop;

import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.topic.TopicValidator;

/** Clients that trace write down what became of a message, where tools find it. */
final class Trace {

    /** Between the fields of a record, and behind each record. */
    private static final String FIELD = "\u0001";
    private static final String RECORD = "\u0002";

    private Trace() {
    }

    static String run(Run run) throws Exception {
        Inbox traces = new Inbox();
        DefaultMQPushConsumer reader = run.pushConsumer(run.group + "-traces");
        reader.subscribe(TopicValidator.RMQ_SYS_TRACE_TOPIC, "*");
        reader.registerMessageListener(traces.concurrently());
        reader.start();

        DefaultMQProducer producer = new DefaultMQProducer("P" + run.group, true, null);
        run.configure(producer);
        producer.setSendMsgTimeout(10_000);
        producer.start();
        run.createTopic(producer);
        Inbox inbox = new Inbox();
        DefaultMQPushConsumer consumer = new DefaultMQPushConsumer(run.group, true, null);
        run.configure(consumer);
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.subscribe(run.topic, "*");
        consumer.registerMessageListener(inbox.concurrently());
        // Only when this is done does a 5.x consumer trace.
        consumer.start();
        String id = Run.sendOk(producer.send(run.message("traced"))).getMsgId();
        inbox.expectExactly(Set.of("first", "traced"), "messages");

        for (String kind : List.of("Pub", "SubBefore", "SubAfter")) {
            Run.await("a trace of kind " + kind, () -> records(traces).stream()
                .anyMatch(record -> record.startsWith(kind + FIELD) && record.contains(FIELD + id + FIELD)));
        }
        consumer.shutdown();
        producer.shutdown();
        reader.shutdown();
        return records(traces).size() + " traces";
    }

    private static List<String> records(Inbox traces) {
        return traces.bodies().stream().flatMap(body -> List.of(body.split(RECORD)).stream())
            .collect(Collectors.toList());
    }
}
