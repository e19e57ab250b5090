import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.PrintStream;
import java.lang.reflect.Field;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import org.apache.commons.cli.Option;
import org.apache.commons.cli.Options;
import org.apache.rocketmq.tools.command.MQAdminStartup;
import org.apache.rocketmq.tools.command.SubCommand;

/**
 * Apache's mqadmin for many command lines in one JVM.
 *
 * Reads lines of words separated by tabs. Answers each with what the verb printed, and a line that begins with \u0001
 * and says whether it failed: mqadmin itself prints a trace and ends as if nothing had happened.
 *
 * A line that begins with UNTIL and a text is of a verb that goes on for ever: it is stopped when it has printed a line
 * with that text, or has left its work to other threads.
 *
 * A verb that gets too little ends the JVM: what it said of that is printed then, without such a line.
 *
 * With the argument "options": prints a line per option of every verb instead.
 */
public class Mqadmin {
    public static void main(String[] args) throws Exception {
        if (args.length == 1 && args[0].equals("options")) {
            printOptions(System.out);
            return;
        }
        PrintStream out = System.out;
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        ByteArrayOutputStream printed = new ByteArrayOutputStream();
        ByteArrayOutputStream errors = new ByteArrayOutputStream();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> out.printf("%s%n%s%n", printed, errors)));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            printed.reset();
            errors.reset();
            System.setOut(new PrintStream(printed, true, "UTF-8"));
            System.setErr(new PrintStream(errors, true, "UTF-8"));
            // Every run adds all verbs once more.
            verbs().clear();
            String[] words = line.split("\t");
            if (words[0].equals("UNTIL")) {
                runUntil(words[1], Arrays.copyOfRange(words, 2, words.length), printed);
            } else {
                MQAdminStartup.main0(words, null);
            }
            String trace = errors.toString("UTF-8");
            boolean failed = trace.contains("Exception") || printed.toString("UTF-8").contains("Exception:");
            out.print(printed.toString("UTF-8"));
            out.println();
            out.println("\u0001" + (failed ? "failed " + firstCause(trace) : "done"));
            out.flush();
        }
        // Some verbs leave threads behind.
        System.exit(0);
    }

    private static void runUntil(String text, String[] words, ByteArrayOutputStream printed) throws Exception {
        Thread verb = new Thread(() -> MQAdminStartup.main0(words, null));
        verb.start();
        while (verb.isAlive() && !hasWholeLine(printed.toString("UTF-8"), text)) {
            verb.join(20);
        }
        // What it says of being stopped is nothing that it would say otherwise.
        System.setErr(new PrintStream(OutputStream.nullOutputStream()));
        verb.interrupt();
        verb.join();
    }

    private static boolean hasWholeLine(String printed, String text) {
        int end = printed.lastIndexOf('\n');
        return end >= 0 && printed.substring(0, end).contains(text);
    }

    private static String firstCause(String trace) {
        String cause = "";
        for (String line : trace.split("\n")) {
            if (line.startsWith("Caused by:") || cause.isEmpty() && line.contains("Exception")) {
                cause = line;
            }
        }
        return cause.replace('\u0001', ' ').trim();
    }

    private static void printOptions(PrintStream out) throws Exception {
        MQAdminStartup.initCommand();
        for (SubCommand verb : verbs()) {
            Options options = verb.buildCommandlineOptions(new Options());
            out.println("\u0001" + verb.commandName() + "\t\t\t");
            for (Object each : options.getOptions()) {
                Option option = (Option) each;
                String letter = option.getOpt() == null ? "" : option.getOpt();
                String name = option.getLongOpt() == null ? "" : option.getLongOpt().trim();
                out.println("\u0001" + verb.commandName() + "\t" + letter + "\t" + name + "\t" + option.hasArg());
            }
        }
        System.exit(0);
    }

    @SuppressWarnings("unchecked")
    private static List<SubCommand> verbs() throws Exception {
        Field field;
        try {
            field = MQAdminStartup.class.getDeclaredField("subCommandList");
        } catch (NoSuchFieldException e) {
            // Since 5.x.
            field = MQAdminStartup.class.getDeclaredField("SUB_COMMANDS");
        }
        field.setAccessible(true);
        return (List<SubCommand>) field.get(null);
    }
}
