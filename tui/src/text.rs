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
    patterns
        .filter_map(|(pattern, words)| Some((holes(pattern, text)?, words)))
        .map(|(holes, words)| fill(words, holes, deepest))
        .next()
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

/// English and Chinese. Of patterns, the first that fits counts.
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
    ("    Asking the brokers …", "    正在询问 Broker …"),
    ("nothing matches the filter", "没有匹配过滤条件的行"),
    ("no consumer is connected", "没有消费者连接"),
    ("no group has a dead-letter topic", "没有消费组有死信主题"),
    ("nothing was changed from here", "尚未在此做过更改"),
    ("no messages", "没有消息"),
    (
        "no such message; it may have expired",
        "没有这样的消息；可能已过期",
    ),
    ("unknown: {}", "未知：{}"),
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
        "copy the row's name to the clipboard (OSC 52)",
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
        "    Enter shows what would be done.",
        "    按 Enter 显示将要做什么。",
    ),
    ("  Enter does it.", "  按 Enter 执行。"),
    (
        "  This cannot be undone. Type {} and Enter to do it: {}",
        "  此操作不可撤销。输入 {} 并按 Enter 执行：{}",
    ),
    ("  the same as: {}", "  等同于：{}"),
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
    ("this row has no {*}", "该行没有{*}"),
    ("topic", "主题"),
    ("group", "消费组"),
    ("trace", "轨迹"),
    ("queues", "队列"),
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
            for text in own.filter(|text| !text.is_empty()) {
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
