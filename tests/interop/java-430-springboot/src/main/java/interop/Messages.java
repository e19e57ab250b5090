package interop;

/** What message number {@code i} of the run looks like; the sender and the checker agree here. */
final class Messages {

    static final int COUNT = 100;
    static final String TAG = "push";

    private Messages() {
    }

    static String body(int i) {
        return "你好，消息队列！第 " + i + " 条消息 🚀";
    }

    static String keys(int i) {
        return "key_" + i;
    }
}
