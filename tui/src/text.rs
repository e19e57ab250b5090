//! The dashboard's own words in other languages than English, in one table. Code speaks English; what is drawn is looked up
//! here: a whole text, else a pattern in which `{}` stands for what is taken over as it is, and `{*}` for words that are
//! looked up themselves. Names, and what servers say, are never looked up.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::LazyLock;

/// In which words the dashboard speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lang {
    #[default]
    English,
    Chinese,
}

impl Lang {
    /// What is drawn for English words.
    pub(crate) fn words(self, text: &str) -> Cow<'_, str> {
        match self {
            Self::English => Cow::Borrowed(text),
            Self::Chinese => chinese(text),
        }
    }
}

/// Patterns nest no deeper.
const DEEPEST: usize = 3;

fn chinese(text: &str) -> Cow<'_, str> {
    look_up(text, DEEPEST).map_or(Cow::Borrowed(text), Cow::Owned)
}

fn look_up(text: &str, deepest: usize) -> Option<String> {
    static WHOLE: LazyLock<HashMap<&str, &str>> =
        LazyLock::new(|| CHINESE.iter().copied().collect());
    if let Some(found) = WHOLE.get(text) {
        return Some((*found).to_owned());
    }
    let patterns = CHINESE.iter().filter(|(pattern, _)| pattern.contains('{'));
    let fitting =
        patterns.filter_map(|(pattern, words)| Some((pattern, words, holes(pattern, text)?)));
    let own = |pattern: &str| {
        parts(pattern)
            .map(|(literal, _)| literal.len())
            .sum::<usize>()
    };
    let (_, words, holes) =
        fitting.max_by_key(|(pattern, _, holes)| (own(pattern), holes.len()))?;
    Some(fill(words, holes, deepest))
}

/// The parts of a pattern: what must be there, and whether the hole behind it is looked up.
fn parts(pattern: &str) -> impl Iterator<Item = (&str, Option<bool>)> {
    let mut rest = Some(pattern);
    std::iter::from_fn(move || {
        let text = rest?;
        let Some((before, after)) = text.split_once('{') else {
            rest = None;
            return Some((text, None));
        };
        let (hole, after) = after.split_once('}').unwrap_or((after, ""));
        rest = Some(after);
        Some((before, Some(hole == "*")))
    })
}

/// What stands in the holes of a pattern, if a text is of its kind.
fn holes<'a>(pattern: &str, text: &'a str) -> Option<Vec<(&'a str, bool)>> {
    let mut parts = parts(pattern);
    let (first, mut hole) = parts.next()?;
    let mut rest = text.strip_prefix(first)?;
    let mut found = Vec::new();
    for (literal, next) in parts {
        let is_last = next.is_none();
        let place = match is_last {
            true => rest.strip_suffix(literal)?.len(),
            false => rest.find(literal)?,
        };
        found.push((rest.get(..place)?, hole?));
        rest = rest.get(place + literal.len()..)?;
        hole = next;
    }
    (!found.is_empty() && hole.is_none() && rest.is_empty()).then_some(found)
}

fn fill(words: &str, holes: Vec<(&str, bool)>, deepest: usize) -> String {
    let mut holes = holes.into_iter();
    let mut text = String::new();
    for (literal, hole) in parts(words) {
        text.push_str(literal);
        if hole.is_none() {
            break;
        }
        match holes.next() {
            Some((own, true)) if deepest > 0 => {
                text.push_str(&look_up(own, deepest - 1).unwrap_or_else(|| own.to_owned()));
            }
            Some((own, _)) => text.push_str(own),
            None => {}
        }
    }
    text
}

/// English and Chinese. Of patterns that fit, the one with the most text of its own counts.
const CHINESE: &[(&str, &str)] = &[
    // At the end of others.
    ("{*}, members {}", "{*}，成员 {}"),
    // Pages.
    ("pulse", "总览"),
    ("brokers", "Broker"),
    ("topics", "主题"),
    ("groups", "消费组"),
    ("dlq", "死信"),
    ("clients", "客户端"),
    ("store", "存储"),
    ("log", "操作日志"),
    ("help", "帮助"),
    ("messages of {} with key {}", "{} 中键为 {} 的消息"),
    ("messages of {} from {}", "{} 自 {} 起的消息"),
    ("messages of {}", "{} 的消息"),
    ("message {} of {}", "消息 {}，主题 {}"),
    ("trace of {}", "{} 的轨迹"),
    ("heat of {}", "{} 的热力图"),
    ("action {}", "操作 {}"),
    // Header.
    (" ({} DOWN)", "（{} 个宕机）"),
    ("{} ({} DOWN)", "{}（{} 个宕机）"),
    ("{} old", "{} 前的数据"),
    ("FROZEN", "已冻结"),
    ("mouse", "鼠标"),
    ("{} marked", "已标记 {} 行"),
    ("CRIT", "严重"),
    ("WARN", "警告"),
    ("note", "提示"),
    // Columns and facts.
    ("LEVEL", "级别"),
    ("WHAT", "问题"),
    ("SUBJECT", "对象"),
    ("EVIDENCE", "依据"),
    ("BROKER", "Broker"),
    ("ROLE", "角色"),
    ("STATE", "状态"),
    ("IN/S", "流入/秒"),
    ("OUT/S", "流出/秒"),
    ("DISK", "磁盘"),
    ("FULL", "占用"),
    ("VERSION", "版本"),
    ("ADDRESS", "地址"),
    ("DISPATCH LAG", "分发积压"),
    ("WAITING", "排队"),
    ("UPTIME", "运行时长"),
    ("TOPIC", "主题"),
    ("QUEUES", "队列数"),
    ("QUEUE", "队列"),
    ("MESSAGES", "消息数"),
    ("LAST", "最近"),
    ("TREND", "趋势"),
    ("GROUPS", "组数"),
    ("AGE", "数据龄"),
    ("GROUP", "消费组"),
    ("LAG", "积压"),
    ("VERDICT", "判断"),
    ("MEMBERS", "成员"),
    ("BEHIND", "落后"),
    ("MODE", "模式"),
    ("HEAT", "热度"),
    ("STILL", "停滞"),
    ("OWNER", "持有者"),
    ("OFFSET", "位点"),
    ("MAX", "最大"),
    ("MIN", "最小"),
    ("Q", "队"),
    ("CLIENT", "客户端"),
    ("LANGUAGE", "语言"),
    ("SUBSCRIPTIONS", "订阅"),
    ("COMMIT LOG", "提交日志"),
    ("OLDEST", "最早"),
    ("KEEPS", "保留"),
    ("TO FLUSH", "待刷盘"),
    ("FAILED", "失败"),
    ("STORED", "存储于"),
    ("TAG", "标签"),
    ("KEYS", "键"),
    ("BODY", "消息体"),
    ("SIZE", "大小"),
    ("FIELD", "字段"),
    ("VALUE", "值"),
    ("TIME", "时间"),
    ("EVENT", "事件"),
    ("OUTCOME", "结果"),
    ("COST", "耗时"),
    ("RETRIES", "重试"),
    ("AGO", "之前"),
    ("COMMAND", "命令"),
    ("TARGET", "目标"),
    ("KEY", "按键"),
    ("DOES", "作用"),
    ("WORST QUEUE", "最差队列"),
    ("BUSIEST QUEUE", "最忙队列"),
    ("name servers", "NameServer"),
    ("version", "版本"),
    ("disk", "磁盘"),
    ("in/s", "流入/秒"),
    ("out/s", "流出/秒"),
    ("backlog", "总积压"),
    ("cluster", "集群"),
    ("address", "地址"),
    ("broker", "Broker"),
    ("clock", "时钟"),
    ("{} ahead of ours", "比本机快 {}"),
    ("{} behind ours", "比本机慢 {}"),
    ("id", "编号"),
    ("DOWN", "宕机"),
    ("GONE", "消失"),
    ("up", "运行"),
    ("commit log", "提交日志"),
    ("dispatch lag", "分发积压"),
    ("to flush", "待刷盘"),
    ("keeps", "保留"),
    ("messages", "消息数"),
    ("age", "数据龄"),
    ("lag", "积压"),
    ("behind", "落后"),
    ("members", "成员"),
    ("mode", "模式"),
    ("subscriptions differ", "订阅不一致"),
    ("largest lag", "最大积压"),
    ("largest out/s", "最大流出/秒"),
    ("longest still", "最长停滞"),
    ("most messages", "最多消息"),
    ("largest in/s", "最大流入/秒"),
    ("longest since the last", "距最近消息最久"),
    ("command", "命令"),
    ("outcome", "结果"),
    ("reason", "原因"),
    ("evidence", "依据"),
    ("fix", "处理"),
    ("value", "值"),
    // Words in cells.
    ("master", "主"),
    ("slave{}", "从{}"),
    ("none", "无"),
    ("nobody", "无人"),
    ("nobody known", "未知"),
    ("clustering", "集群"),
    ("broadcasting", "广播"),
    ("under way", "进行中"),
    ("done", "完成"),
    ("done, {} of {}", "完成，{} / {}"),
    ("moved", "已移动"),
    ("sent", "已发送"),
    ("consumed", "已消费"),
    ("transaction", "事务"),
    ("checked", "回查"),
    ("success", "成功"),
    ("timeout", "超时"),
    ("exception", "异常"),
    ("returned nothing", "返回空"),
    ("failed", "失败"),
    ("no end traced", "未见结束"),
    ("steady since the start", "启动以来持平"),
    ("{} since the start", "启动以来 {}"),
    (
        "not known: a server did not answer",
        "未知：有服务器没有应答",
    ),
    (
        "at least: one of several did not",
        "至少：其中有一台没有应答",
    ),
    ("{} times", "{} 次"),
    // Verdicts.
    ("lost {} to retention", "已因过期丢失 {}"),
    ("loses data in {}", "{} 后将丢失数据"),
    ("no member", "无成员"),
    ("stuck for {}", "停滞 {}"),
    ("unread", "从未消费"),
    ("growing {}", "增长 {}"),
    ("draining, {} left", "消化中，还需 {}"),
    ("steady", "持平"),
    ("partly known", "部分已知"),
    ("caught up", "已追平"),
    // Findings.
    ("broker gone", "Broker 消失"),
    ("broker down", "Broker 宕机"),
    ("broker unreachable", "Broker 不可达"),
    ("name server down", "NameServer 宕机"),
    ("name servers differ", "NameServer 不一致"),
    ("no broker", "没有 Broker"),
    ("loopback advertised", "公布了本机地址"),
    ("dispatch behind", "分发落后"),
    ("page cache busy", "页缓存繁忙"),
    ("read-only", "只读"),
    ("this host", "本机"),
    ("failed writes", "写入失败"),
    ("flush behind", "刷盘落后"),
    ("version skew", "版本不一"),
    ("clock skew", "时钟偏差"),
    ("losing data", "正在丢失数据"),
    ("stuck", "停滞"),
    ("stuck queue", "队列停滞"),
    ("falling behind", "越落越远"),
    ("hot queue", "热点队列"),
    ("subscriptions", "订阅不一致"),
    ("idle members", "空闲成员"),
    ("uneven queues", "队列分配不均"),
    ("dead letters", "死信"),
    ("dead letters arrive", "死信增加"),
    ("incomplete", "不完整"),
    ("at least {} messages; {*}", "至少 {} 条消息；{*}"),
    (
        "at least {} messages, {} behind; {*}",
        "至少 {} 条消息，落后 {}；{*}",
    ),
    ("{} messages; {*}", "{} 条消息；{*}"),
    ("{} messages, {} behind; {*}", "{} 条消息，落后 {}；{*}"),
    ("nobody is connected", "无人连接"),
    ("nothing was ever consumed", "从未消费过"),
    (
        "{} messages, the last one {} ago",
        "{} 条消息，最近一条在 {} 前",
    ),
    ("{} messages", "{} 条消息"),
    (
        "{}: {} messages, still for {}, owned by {}",
        "{}：{} 条消息，停滞 {}，持有者 {}",
    ),
    (
        "{}: {} messages, the queue in the middle has {}",
        "{}：{} 条消息，居中的队列有 {} 条",
    ),
    ("{} wants {}, {} wants {}", "{} 订阅 {}，{} 订阅 {}"),
    (
        "{} members share {} queues: {} have none",
        "{} 个成员分 {} 个队列：{} 个没有队列",
    ),
    (
        "{}: {} owns {} queues, {} owns {}",
        "{}：{} 持有 {} 个队列，{} 持有 {} 个",
    ),
    ("{} used; messages are refused", "已用 {}；消息被拒绝"),
    (
        "{} used; old messages are deleted early from 85% on",
        "已用 {}；超过 85% 后旧消息会提前删除",
    ),
    (
        "{} stored, not visible to consumers yet",
        "{} 已存储，消费者还看不到",
    ),
    (
        "one write takes {} by now; messages are refused",
        "一次写入已用 {}；消息被拒绝",
    ),
    ("messages are refused: {}", "消息被拒绝：{}"),
    (
        "{} messages could not be stored since the broker started",
        "Broker 启动以来有 {} 条消息存储失败",
    ),
    (
        "{} are written and not on disk: a power failure would take them",
        "{} 已写入而未落盘：断电会丢失",
    ),
    ("brokers run {}", "Broker 版本有 {}"),
    (
        "its clock is {} ahead of this machine's",
        "它的时钟比本机快 {}",
    ),
    (
        "its clock is {} behind this machine's",
        "它的时钟比本机慢 {}",
    ),
    (
        "{} is not known to both it and {}",
        "{} 没有同时被它和 {} 知道",
    ),
    (
        "no broker is registered with a name server",
        "没有 Broker 注册到 NameServer",
    ),
    (
        "stopped, or silent for so long that no name server knows it; last registered {} ago",
        "已停止，或沉默太久，NameServer 已不知道它；最近一次注册在 {} 前",
    ),
    (
        "is it running, and its port open? on its host: mq status",
        "它在运行吗，端口开放吗？在其主机上：mq status",
    ),
    (
        "start it again (on its host: mq status); if it was taken away on purpose, a new dashboard forgets it",
        "重新启动它（在其主机上：mq status）；若是有意移除，重开仪表盘即不再提示",
    ),
    (
        "it advertises {}: every client would look for it on its own machine",
        "它公布的地址是 {}：每个客户端都会在自己的机器上找它",
    ),
    (
        "it advertises {} (reached for at {}), {*} that does not answer from here: {}",
        "它公布的地址是 {}（经 {} 访问），{*}，从此处没有应答：{}",
    ),
    (
        "it advertises {}, {*} that does not answer from here: {}",
        "它公布的地址是 {}，{*}，从此处没有应答：{}",
    ),
    (
        "the address of a container or private network",
        "是容器或私有网络的地址",
    ),
    ("a link-local address", "是链路本地地址"),
    ("an address of a private network", "是私有网络的地址"),
    ("{} (reached for at {})", "{}（经 {} 访问）"),
    (
        "set brokerIP1 in its broker.conf to an address that clients reach and restart it, or map the address in a profile: mq profile show --help (rewrite)",
        "在其 broker.conf 中把 brokerIP1 设为客户端可达的地址并重启，或在 profile 中映射地址：mq profile show --help（rewrite）",
    ),
    (
        "set brokerIP1 in its broker.conf to an address that clients reach, and restart it",
        "在其 broker.conf 中把 brokerIP1 设为客户端可达的地址并重启",
    ),
    (
        "give every broker all name servers (namesrvAddr): mq broker config get namesrvAddr",
        "给每个 Broker 配置所有 NameServer（namesrvAddr）：mq broker config get namesrvAddr",
    ),
    (
        "its disk is too slow for what comes in, or it recovers after a crash: mq broker status --watch",
        "磁盘跟不上写入，或正在崩溃后恢复：mq broker status --watch",
    ),
    (
        "look at the disk of its host (iostat -x 1): it does not keep up",
        "查看其主机的磁盘（iostat -x 1）：它跟不上",
    ),
    (
        "mend what the reason names, then restart the broker: it stays read-only until then",
        "先解决原因所述的问题，再重启 Broker：在此之前一直只读",
    ),
    (
        "its log says why: disk full, disk slow, or messages too large",
        "原因见其日志：磁盘满、磁盘慢，或消息过大",
    ),
    (
        "its disk does not keep up, or flushing fails: see its log and iostat -x 1",
        "磁盘跟不上，或刷盘失败：见其日志和 iostat -x 1",
    ),
    (
        "fine during an upgrade; mq broker list -o wide shows which runs what",
        "升级期间正常；mq broker list -o wide 显示各自的版本",
    ),
    (
        "give each one with mq topic update TOPIC --queues N, or stop some of them",
        "用 mq topic update TOPIC --queues N 让每个都有，或停掉一些成员",
    ),
    (
        "if it stays so, let all members use the same strategy of allocation and the same release of the client",
        "若一直如此，让所有成员使用相同的分配策略和相同的客户端版本",
    ),
    (
        "start it, or leave it out of the addresses (-n); on its host: mq status",
        "启动它，或从地址（-n）中去掉；在其主机上：mq status",
    ),
    (
        "let both hosts keep time by NTP: timedatectl",
        "让两台主机用 NTP 校时：timedatectl",
    ),
    (
        "let all its members subscribe to the same topics and tags, or give each kind a group of its own",
        "让所有成员订阅相同的主题和标签，或给每一类单独的消费组",
    ),
    (
        "free space on the disk, or keep messages for less: fileReservedTime in its broker.conf",
        "释放磁盘空间，或缩短消息保留时间：broker.conf 中的 fileReservedTime",
    ),
    // In place of rows.
    (
        "All is well: every broker answers, no group is behind.",
        "一切正常：所有 Broker 都应答，没有消费组落后。",
    ),
    ("Nothing is known yet.", "尚无数据。"),
    ("Asking the name servers …", "正在询问 NameServer …"),
    ("asking the brokers …", "正在询问 Broker …"),
    ("nothing matches the filter", "没有匹配过滤条件的行"),
    ("no consumer is connected", "没有消费者连接"),
    ("no group has a dead-letter topic", "没有消费组有死信主题"),
    ("nothing was changed from here", "尚未在此做过更改"),
    ("no messages", "没有消息"),
    (
        "no such message; it may have expired",
        "没有这样的消息；可能已过期",
    ),
    ("unknown: {*}", "未知：{*}"),
    ("there is no group {} any more", "消费组 {} 已不存在"),
    ("there is no topic {} any more", "主题 {} 已不存在"),
    (
        "no broker at {} is registered any more",
        "{} 上已没有注册的 Broker",
    ),
    (
        "newer messages have taken its place in the list",
        "列表中已被更新的消息取代",
    ),
    ("it is too long ago", "时间太久，已不记得"),
    (
        "nobody has traced it; clients trace with enableMsgTrace, into a topic of brokers with traceTopicEnable=true",
        "没有它的轨迹；客户端需开启 enableMsgTrace，Broker 需 traceTopicEnable=true",
    ),
    // Why something is unknown.
    ("a rate needs two rounds", "速率需要两轮数据"),
    ("the broker does not tell", "Broker 没有提供"),
    ("not asked yet", "尚未询问"),
    ("no broker answers", "没有 Broker 应答"),
    ("no broker of the group answers", "该组的 Broker 都没有应答"),
    ("it is not registered any more", "它已不再注册"),
    ("a recording has no messages", "录像中没有消息"),
    ("{} does not answer", "{} 没有应答"),
    // Fields of a message.
    ("offset id", "位点编号"),
    ("stored", "存储时间"),
    ("stored on", "存储于"),
    ("born", "产生时间"),
    ("born on", "产生于"),
    ("consumed again", "重新消费"),
    ("body", "消息体"),
    ("body (JSON)", "消息体（JSON）"),
    ("body (binary)", "消息体（二进制）"),
    ("body (as stored)", "消息体（按存储）"),
    ("… and {} more lines", "…… 还有 {} 行"),
    // Keys, in the footer and in the help.
    ("open", "打开"),
    ("back", "返回"),
    ("go to", "前往"),
    ("filter", "过滤"),
    ("more", "详情"),
    ("cmd", "命令"),
    ("act", "操作"),
    ("quit", "退出"),
    ("keep", "保留"),
    ("remove", "清除"),
    ("erase", "删除"),
    ("go", "前往"),
    ("complete", "补全"),
    ("stay", "留下"),
    ("choose", "选择"),
    ("next", "下一个"),
    ("previous", "上一个"),
    ("nothing", "不做"),
    ("go on", "继续"),
    ("next field", "下一项"),
    ("do nothing", "不做"),
    ("open what the row stands for", "打开该行所指的对象"),
    (
        "remove the filter, else go back a page",
        "清除过滤，否则返回上一页",
    ),
    (
        "go to a page: :groups, :topic orders; Tab completes, the first letter is enough",
        "前往页面：:groups、:topic orders；Tab 补全，首字母即可",
    ),
    (
        "keep rows that contain a text; /!text those that do not",
        "只留含有该文字的行；/!文字 则只留不含的行",
    ),
    (
        "all fields of the row, with evidence and fix",
        "该行的全部字段，含依据和处理办法",
    ),
    (
        "show and copy the mq command that does the same",
        "显示并复制等效的 mq 命令",
    ),
    ("next page of the top", "下一个主页面"),
    ("previous page of the top", "上一个主页面"),
    ("the page seen before", "之前看过的页面"),
    ("next row", "下一行"),
    ("previous row", "上一行"),
    ("ten rows down", "下移十行"),
    ("ten rows up", "上移十行"),
    ("first row", "第一行"),
    ("last row", "最后一行"),
    ("jump to the broker of the row", "跳到该行的 Broker"),
    ("jump to the topic of the row", "跳到该行的主题"),
    ("jump to the consumer group of the row", "跳到该行的消费组"),
    (
        "view the latest messages of the row's topic or queue",
        "查看该行主题或队列的最新消息",
    ),
    (
        "search messages of the topic: by key, by id, or since when, as -1h",
        "查找该主题的消息：按键、按编号，或自某时起，如 -1h",
    ),
    (
        "what became of the message: its trace",
        "消息的去向：它的轨迹",
    ),
    (
        "heat map: all queues of the topic or group, by owner",
        "热力图：主题或消费组的所有队列，按持有者",
    ),
    (
        "sort by that column, once more turns the order round",
        "按该列排序，再按一次反向",
    ),
    (
        "change something: a menu of what can be done here",
        "更改：此处可做的操作菜单",
    ),
    (
        "mark the row; y copies all marked ones",
        "标记该行；y 复制所有标记的行",
    ),
    (
        "copy what the row is about to the clipboard (OSC 52)",
        "复制该行名称到剪贴板（OSC 52）",
    ),
    (
        "freeze the picture; asking goes on",
        "冻结画面；后台继续询问",
    ),
    (
        "mouse on and off; off, the terminal selects text",
        "鼠标开关；关闭时由终端选择文字",
    ),
    ("ask the servers now", "立即询问服务器"),
    ("this help", "本帮助"),
    ("quit (also Ctrl-C)", "退出（也可 Ctrl-C）"),
    // Actions and their forms.
    ("create a topic", "创建主题"),
    (
        "create topic {} on {}: {} queues each, {}",
        "创建主题 {}，Broker {}：每个 {} 个队列，权限 {}",
    ),
    (
        "topic {} on {}: {} queues to read and to write on each",
        "主题 {}，Broker {}：每个读写队列各 {} 个",
    ),
    (
        "topic {} on {}: permission {}",
        "主题 {}，Broker {}：权限 {}",
    ),
    (
        "delete topic {} with {*} messages from {} and all name servers",
        "删除主题 {} 及其 {*} 条消息，涉及 {} 和所有 NameServer",
    ),
    ("an unknown number of", "数量未知的"),
    (
        "send a message of {} bytes to {}",
        "发送 {} 字节的消息到 {}",
    ),
    ("create group {} on {}", "创建消费组 {}，Broker {}"),
    (
        "delete group {}, all its offsets and its retry topic from {}",
        "删除消费组 {}、其全部位点和重试主题，Broker {}",
    ),
    (
        "members connected: {}; they will create it again",
        "已连接的成员：{}；它们会重新创建它",
    ),
    (
        "group {} on {}: {} tries again",
        "消费组 {}，Broker {}：重试 {} 次",
    ),
    (
        "group {} on {}: its members may consume",
        "消费组 {}，Broker {}：允许其成员消费",
    ),
    (
        "group {} on {}: its members are refused",
        "消费组 {}，Broker {}：拒绝其成员消费",
    ),
    ("set {} on {}", "设置 {}，Broker {}"),
    (
        "take the write permission from all topics of {} in the routes",
        "在路由中收回 {} 上所有主题的写权限",
    ),
    (
        "producers go to other brokers; consumers read on",
        "生产者转到其他 Broker；消费者继续读取",
    ),
    (
        "{} takes messages again, and registers its topics as they are",
        "{} 重新接收消息，并按原样注册其主题",
    ),
    ("{}: {} → {}, {*}", "{}：{} → {}，{*}"),
    ("no offset yet", "尚无位点"),
    ("as it is", "不变"),
    ("skips {}", "跳过 {}"),
    ("{} again", "重新消费 {}"),
    ("{}: stays: {*}", "{}：保持不动：{*}"),
    (
        "the group has no offset to shift from",
        "该组没有可供移动的位点",
    ),
    ("the other group has no offset", "另一个组没有位点"),
    (
        "{}: nobody is connected, it sets the offsets",
        "{}：无人连接，由它设置位点",
    ),
    ("{}: it moves them on its own", "{}：由它自行移动"),
    (
        "{}: members told to go on there: {}",
        "{}：通知从那里继续的成员：{}",
    ),
    (
        "{} of {} dead letters go to {}, once; they stay where they are as well",
        "{} / {} 条死信发到 {}，各一次；原处仍保留",
    ),
    (
        "more than {} are there: these are the first; do it again for the next",
        "超过 {} 条：这些是最前面的；再做一次处理后面的",
    ),
    ("nothing would be sent; {*}", "没有可发送的；{*}"),
    ("{} of {}: is sent", "{}，来自 {}：将发送"),
    ("{} of {}: was sent already", "{}，来自 {}：已发送过"),
    ("{} of {}: refused: {*}", "{}，来自 {}：拒绝：{*}"),
    (
        "it was sent again {} times and came back; mend what kills it, then --max-resends {}",
        "它已重发 {} 次又回来；先解决问题，再用 --max-resends {}",
    ),
    (
        "it does not say where it was sent to at first; give --to-topic",
        "它没有说明最初发往哪里；请给出 --to-topic",
    ),
    (
        "whether it was sent already is unknown: {}",
        "不知道是否已发送过：{}",
    ),
    // Their fields.
    ("name", "名称"),
    ("perm", "权限"),
    ("tag", "标签"),
    ("key", "键"),
    ("tries", "重试次数"),
    ("consume", "允许消费"),
    ("resends", "重发上限"),
    ("queue", "队列"),
    ("to", "到"),
    ("shift", "移动"),
    ("like", "参照"),
    ("letters, digits and _-%|", "字母、数字和 _-%|"),
    ("on each master", "每个主 Broker 上"),
    (
        "on each master; blank: as they are",
        "每个主 Broker 上；留空：不变",
    ),
    ("r, w or rw", "r、w 或 rw"),
    ("r, w or rw; blank: as it is", "r、w 或 rw；留空：不变"),
    ("its text", "正文"),
    ("blank: none", "留空：无"),
    (
        "again, before it is a dead letter; blank: as it is",
        "成为死信前的重试；留空：不变",
    ),
    (
        "true or false; blank: as it is",
        "true 或 false；留空：不变",
    ),
    ("of a message; blank: all of them", "某条消息的；留空：全部"),
    (
        "refuse what came back so often already",
        "已回来这么多次的不再发",
    ),
    ("of which", "哪一个"),
    ("as broker-a:3; blank: all", "如 broker-a:3；留空：全部"),
    (
        "latest, earliest, or a time as -2h",
        "latest、earliest 或时间，如 -2h",
    ),
    (
        "messages further on, or back as -5; in place of to",
        "前进的条数，后退如 -5；代替“到”",
    ),
    (
        "where this group is; in place of to",
        "与这个消费组相同；代替“到”",
    ),
    ("as in broker.conf", "与 broker.conf 中相同"),
    // Why an action is not possible as it is filled in.
    ("no master is registered", "没有注册的主 Broker"),
    ("topic {} exists", "主题 {} 已存在"),
    ("group {} exists", "消费组 {} 已存在"),
    ("how many queues?", "多少个队列？"),
    ("which permission?", "什么权限？"),
    ("nothing would change", "不会有任何更改"),
    ("a message needs a body", "消息需要正文"),
    ("a number is needed, not {}", "需要数字，而不是 {}"),
    (
        "true or false expected, not {}",
        "应为 true 或 false，而不是 {}",
    ),
    ("r, w or rw expected, not {}", "应为 r、w 或 rw，而不是 {}"),
    (
        "{} to {} queues expected, not {}",
        "应为 {} 到 {} 个队列，而不是 {}",
    ),
    (
        "a key as in broker.conf is needed",
        "需要与 broker.conf 中相同的键",
    ),
    ("invalid topic {}: {*}", "主题名 {} 无效：{*}"),
    ("invalid group {}: {*}", "消费组名 {} 无效：{*}"),
    ("it is empty", "为空"),
    ("it is longer than {} bytes", "超过 {} 字节"),
    (
        "{} is not allowed, only letters, digits, %, |, - and _ are",
        "不允许 {}，只能用字母、数字、%、|、- 和 _",
    ),
    ("there is no topic {}", "没有主题 {}"),
    ("there is no group {}", "没有消费组 {}"),
    ("there is no such queue", "没有这样的队列"),
    ("either shift or like, not both", "移动和参照只能选一个"),
    ("shift by how many messages?", "移动多少条消息？"),
    ("to where?", "到哪里？"),
    ("a queue as broker-a:3 is needed", "队列要写成 broker-a:3"),
    (
        "not a span of time like -2h or -1d12h",
        "不是 -2h 或 -1d12h 这样的时长",
    ),
    (
        "not a time; try 2026-01-31T12:00:00Z, '2026-01-31 12:00', -2h, now, or epoch seconds or milliseconds",
        "不是时间；可写 2026-01-31T12:00:00Z、'2026-01-31 12:00'、-2h、now，或纪元秒、毫秒",
    ),
    ("{} does not answer: {}", "{} 没有应答：{}"),
    (
        "on {} the group tries nothing again: they would be dead letters at once",
        "在 {} 上该组不重试：它们会立刻又成死信",
    ),
    // How it ended.
    ("{} of {} failed: {}", "{} / {} 失败：{}"),
    ("stored as {}", "已存储为 {}"),
    (
        "the broker took it, and has {}",
        "Broker 已接受，但其值为 {}",
    ),
    (
        "the broker took it, and knows no setting {}",
        "Broker 已接受，但没有配置项 {}",
    ),
    (
        "it was set, and cannot be read back: {}",
        "已设置，但读不回来：{}",
    ),
    ("moved, at {} by now", "已移动，现在在 {}"),
    (
        "its members were told to go to {}, at {} by now",
        "已通知其成员到 {}，现在在 {}",
    ),
    ("its members were told to go to {}", "已通知其成员到 {}"),
    (
        "change topic {}: queues, permission",
        "修改主题 {}：队列、权限",
    ),
    ("delete topic {} with its messages", "删除主题 {} 及其消息"),
    ("send a test message to {}", "向 {} 发送测试消息"),
    ("create a consumer group", "创建消费组"),
    (
        "change group {}: tries, consuming",
        "修改消费组 {}：重试、消费",
    ),
    ("delete group {} with its offsets", "删除消费组 {} 及其位点"),
    ("reset offsets of group {}", "重置消费组 {} 的位点"),
    (
        "reset the offset of group {} in {}",
        "重置消费组 {} 在 {} 的位点",
    ),
    (
        "send the dead letters of {} to it once more",
        "把 {} 的死信重新发给它",
    ),
    (
        "send this dead letter to {} once more",
        "把这条死信重新发给 {}",
    ),
    ("change a setting of {}", "修改 {} 的配置"),
    (
        "stop writes to {}: take its write permission",
        "停止写入 {}：收回写权限",
    ),
    ("give {} its write permission back", "恢复 {} 的写权限"),
    (
        "Enter shows what would be done.",
        "按 Enter 显示将要做什么。",
    ),
    ("Enter does it.", "按 Enter 执行。"),
    (
        "This cannot be undone. Type {} and Enter to do it:",
        "此操作不可撤销。输入 {} 并按 Enter 执行：",
    ),
    (
        "nothing is done before '{}' is typed",
        "输入 '{}' 之前不会执行",
    ),
    ("the same as:", "等同于："),
    (
        "this is read-only: nothing can be changed",
        "只读：不能更改",
    ),
    ("nothing can be changed here", "此处没有可更改的"),
    ("no command shows this", "没有等效的命令"),
    ("copied: {}", "已复制：{}"),
    ("copied {}", "已复制 {}"),
    ("failed: {}", "失败：{}"),
    ("nothing is called '{}'", "没有叫作 '{}' 的"),
    ("this row has no queues", "该行没有队列"),
    (
        "this row has no broker to jump to",
        "该行没有可跳转的 Broker",
    ),
    ("this row has no topic to jump to", "该行没有可跳转的主题"),
    (
        "this row has no consumer group to jump to",
        "该行没有可跳转的消费组",
    ),
    (
        "this row has no topic whose messages could be shown",
        "该行没有可查看消息的主题",
    ),
    (
        "this row is no message that could have a trace",
        "该行不是消息，没有轨迹",
    ),
    (
        "trace what? give a message's id or key",
        "查什么的轨迹？请给出消息的编号或键",
    ),
    (
        "find TOPIC WHAT: a key, an id, or since when, as -1h",
        "find 主题 内容：键、编号，或自某时起，如 -1h",
    ),
    ("topic", "主题"),
    ("group", "消费组"),
    ("trace", "轨迹"),
    ("queues", "队列数"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_texts_patterns_and_names() {
        for (text, expected) in [
            ("LAG", "积压"),
            ("stuck for 20s", "停滞 20s"),
            (
                "7 messages, 1m30s behind; stuck for 20s, members 2",
                "7 条消息，落后 1m30s；停滞 20s，成员 2",
            ),
            ("done, 2 of 2", "完成，2 / 2"),
            // Also fits "{} messages".
            (
                "delete topic orders with its messages",
                "删除主题 orders 及其消息",
            ),
            ("orders", "orders"),
            ("", ""),
        ] {
            assert_eq!(chinese(text), expected);
        }
        assert_eq!(Lang::English.words("LAG"), "LAG");
    }

    #[test]
    fn no_text_stands_twice_and_holes_are_the_same() {
        let mut seen = std::collections::HashSet::new();
        for (text, words) in CHINESE {
            assert!(seen.insert(text), "{text}");
            let of = |text| Vec::from_iter(parts(text).map(|(_, hole)| hole));
            assert_eq!(of(text), of(words), "{text}");
        }
    }

    #[test]
    fn every_key_and_column_has_its_words() {
        let known = |text: &str| look_up(text, DEEPEST).is_some();
        for binding in crate::keys::BROWSE {
            let own = [binding.help].into_iter().chain(binding.footer);
            for text in own {
                assert!(known(text), "{text}");
            }
        }
        let app = crate::samples::app(crate::samples::healthy());
        for (name, page) in crate::app::Page::TOP {
            assert!(known(name), "{name}");
            let sheet = crate::pages::sheet(&app, &page);
            let titles = sheet.columns.iter().map(|column| column.title);
            let facts = sheet.facts.iter().flatten().map(|fact| fact.name);
            for text in titles
                .chain(facts)
                .filter(|text| text.is_ascii() && *text != "-")
            {
                assert!(text.is_empty() || known(text), "{text}");
            }
        }
    }
}
