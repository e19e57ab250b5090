package interop;

import java.util.Map;
import java.util.TreeMap;

/**
 * {@code Main NAMESRV SCENARIO RUN}: runs one scenario with the client on the class path against the system behind
 * the name servers. RUN makes topics and groups unique. Prints {@code ok SCENARIO …} and ends with 0, or what was wrong
 * and 1. Logs and local offsets go below the system property {@code user.home}.
 */
public final class Main {

    private static final long WATCHDOG_SECONDS = 120;

    private interface Scenario {
        String run(Run run) throws Exception;
    }

    private static final Map<String, Scenario> SCENARIOS = new TreeMap<>(Map.ofEntries(
        Map.entry("quickstart", Quickstart::run),
        Map.entry("json-header", Quickstart::run),
        Map.entry("rocketmq-header", Quickstart::run),
        Map.entry("vip", Vip::run),
        Map.entry("oneway", Oneway::run),
        Map.entry("async", Async::run),
        Map.entry("batch", Batch::run),
        Map.entry("orderly", Orderly::run),
        Map.entry("tags", Tags::run),
        Map.entry("keys", Keys::run),
        Map.entry("pull", Pull::run),
        Map.entry("lite-pull", LitePull::run),
        Map.entry("broadcast", Broadcast::run),
        Map.entry("offsets", Offsets::run),
        Map.entry("rebalance", Rebalance::run),
        Map.entry("dead-letters", DeadLetters::run),
        Map.entry("delay", Delay::run),
        Map.entry("transaction", Transaction::run),
        Map.entry("orderly-leave", OrderlyLeave::run),
        Map.entry("sql", Sql::run),
        Map.entry("request-reply", RequestReply::run),
        Map.entry("request-ask", RequestReply::ask),
        Map.entry("request-answer", RequestReply::answer),
        Map.entry("reset", Reset::run),
        Map.entry("trace", Trace::run),
        Map.entry("first-message", FirstMessage::run),
        Map.entry("store-write", StoreWrite::run),
        Map.entry("store-read", StoreRead::run),
        Map.entry("failover-producer", FailoverProducer::run),
        Map.entry("failover-consumer", FailoverConsumer::run)));

    private Main() {
    }

    public static void main(String[] args) {
        if (args.length != 3 || !SCENARIOS.containsKey(args[1])) {
            System.out.println("usage: Main NAMESRV SCENARIO RUN; scenarios: " + SCENARIOS.keySet());
            System.exit(1);
        }
        String scenario = args[1];
        // Read once, when the client's first class is loaded.
        if (scenario.endsWith("-header")) {
            System.setProperty("rocketmq.serialize.type", scenario.startsWith("json") ? "JSON" : "ROCKETMQ");
        }
        // Topics that come later and shares have a turn each 20 s otherwise, which is long for a test.
        if (scenario.equals("dead-letters") || scenario.equals("orderly-leave")) {
            System.setProperty("rocketmq.client.rebalance.waitInterval", "1000");
            System.setProperty("rocketmq.client.unlockDelayTimeMills", "1000");
        }
        startWatchdog(scenario);
        // Programs of one family (failover-…, store-…, request-…) work on one topic and group.
        String family = scenario.replaceFirst("^(failover|store|request)-.*", "$1");
        Run run = new Run(args[0], family, args[2]);
        try {
            System.out.println("ok " + scenario + " " + SCENARIOS.get(scenario).run(run));
        } catch (Throwable wrong) {
            System.out.println("failed " + scenario + ": " + wrong);
            wrong.printStackTrace(System.out);
            System.exit(1);
        }
        // Client threads may still be parked; nothing is left to wait for.
        System.exit(0);
    }

    private static void startWatchdog(String scenario) {
        // The failover programs run until their test tells them to stop.
        if (scenario.startsWith("failover-")) {
            return;
        }
        Thread main = Thread.currentThread();
        Thread watchdog = new Thread(() -> {
            try {
                main.join(WATCHDOG_SECONDS * 1000);
            } catch (InterruptedException e) {
                return;
            }
            if (!main.isAlive()) {
                return;
            }
            System.out.println("failed " + scenario + ": not done after " + WATCHDOG_SECONDS + " s");
            for (StackTraceElement element : main.getStackTrace()) {
                System.out.println("    at " + element);
            }
            Runtime.getRuntime().halt(1);
        }, "watchdog");
        watchdog.setDaemon(true);
        watchdog.start();
    }
}
