package interop;

import java.util.HashSet;
import java.util.Set;
import java.util.concurrent.Callable;
import org.apache.rocketmq.client.ClientConfig;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.impl.ClientRemotingProcessor;
import org.apache.rocketmq.client.impl.MQClientAPIImpl;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.remoting.netty.NettyClientConfig;

/** While a group consumes, a tool sends it back to a time: from then on everything comes again, and goes on. */
final class Reset {

    private static final int COUNT = 100;

    private Reset() {
    }

    static String run(Run run) throws Exception {
        DefaultMQProducer producer = run.producer();
        run.createTopic(producer);
        Inbox inbox = new Inbox();
        DefaultMQPushConsumer consumer = run.pushConsumer(run.group);
        consumer.subscribe(run.topic, "*");
        consumer.setPersistConsumerOffsetInterval(100);
        consumer.registerMessageListener(inbox.concurrently());
        consumer.start();
        Set<String> early = send(run, producer, "early");
        early.add("first");
        inbox.expectExactly(early, "messages before");
        Run.await("the clock", clockAfter(System.currentTimeMillis()));
        long between = System.currentTimeMillis();
        Set<String> late = send(run, producer, "late");
        Set<String> all = new HashSet<>(early);
        all.addAll(late);
        inbox.expectExactly(all, "messages in between");

        ClientConfig config = new ClientConfig();
        run.configure(config);
        MQClientAPIImpl tool =
            new MQClientAPIImpl(new NettyClientConfig(), new ClientRemotingProcessor(null), null, config);
        tool.updateNameServerAddressList(run.namesrv);
        tool.start();
        String broker = tool.getTopicRouteInfoFromNameServer(run.topic, 10_000).getBrokerDatas().get(0)
            .selectBrokerAddr();
        // Refused as long as the group has not committed in every queue.
        Run.await("the reset", () -> {
            try {
                return !tool.invokeBrokerToResetOffset(broker, run.topic, run.group, between, true, 10_000).isEmpty();
            } catch (Exception notYet) {
                return false;
            }
        });
        int before = all.size();
        Run.await("the late messages again", () -> inbox.size() >= before + late.size());
        Set<String> again = Set.copyOf(inbox.bodies().subList(before, inbox.size()));
        Run.check(again.containsAll(late), "of the late messages only " + again + " came again");
        send(run, producer, "afterwards");
        Run.await("the messages afterwards",
            () -> inbox.bodies().stream().filter(body -> body.startsWith("afterwards")).count() == COUNT);
        consumer.shutdown();
        producer.shutdown();
        tool.shutdown();
        return again.size() + " messages came again";
    }

    private static Callable<Boolean> clockAfter(long now) {
        return () -> System.currentTimeMillis() > now + 1;
    }

    private static Set<String> send(Run run, DefaultMQProducer producer, String word) throws Exception {
        Set<String> bodies = new HashSet<>();
        for (int i = 0; i < COUNT; i++) {
            Run.sendOk(producer.send(run.message(word + " " + i)));
            bodies.add(word + " " + i);
        }
        return bodies;
    }
}
