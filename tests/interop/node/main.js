// Runs one scenario with ali-ons: node main.js NAMESRV SCENARIO TOPIC GROUP. The topic exists: this client does not create
// any. Prints "ok SCENARIO …" and ends with 0, or what was wrong and 1.
'use strict';

const { Consumer, Message, Producer } = require('ali-ons');

const WATCHDOG_MS = 120_000;
const COUNT = 50;

const silent = Object.fromEntries(['info', 'warn', 'error', 'debug'].map(level => [level, () => {}]));

const [namesrv, scenario, topic, group] = process.argv.slice(2);

function options(more) {
  return {
    nameSrv: namesrv.split(';'),
    // Asked only for the address of a name server, which is given.
    httpclient: {},
    logger: silent,
    ...more,
  };
}

async function send(messages) {
  const producer = new Producer(options({ producerGroup: 'P' + group }));
  await producer.ready();
  for (const message of messages) {
    const result = await producer.send(message);
    if (result.sendStatus !== 'SEND_OK') {
      throw new Error(`send was answered ${result.sendStatus}`);
    }
  }
  await producer.close();
}

function bodies(tag) {
  return Array.from({ length: COUNT }, (_, n) => `${tag} 你好 ${n}`);
}

function message(tag, body, number) {
  const message = new Message(topic, tag, body);
  message.keys = [`key-${number}`];
  message.properties.number = String(number);
  return message;
}

// Consumes until `expected` bodies came; `handle` may say what becomes of one.
async function receive(expression, expected, handle = () => undefined) {
  const consumer = new Consumer(
    options({ consumerGroup: group, consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET' }),
  );
  // Routes of topics that are made with the group are not there at once.
  consumer.on('error', () => {});
  const missing = new Set(expected);
  const unexpected = [];
  const all = new Promise(resolve => {
    consumer.subscribe(topic, expression, async message => {
      const body = message.body.toString();
      const action = handle(message, body);
      if (action !== undefined) {
        return action;
      }
      if (!expected.includes(body)) {
        unexpected.push(body);
      }
      missing.delete(body);
      if (missing.size === 0) {
        resolve();
      }
    });
  });
  await consumer.ready();
  await all;
  if (unexpected.length > 0) {
    throw new Error(`received what was not wanted: ${unexpected}`);
  }
  await consumer.close();
}

const scenarios = {
  async tags() {
    const [wanted, others] = [bodies('A'), bodies('B')];
    await send(wanted.map((body, n) => message('A', body, n)));
    await send(others.map((body, n) => message('B', body, n)));
    await receive('A', wanted);
    return `${wanted.length} messages`;
  },

  async sql() {
    const all = bodies('A');
    await send(all.map((body, n) => message('A', body, n)));
    const expression = { expressionType: 'SQL92', subString: "number > 39 AND TAGS = 'A'" };
    await receive(expression, all.slice(40));
    return `${all.length - 40} of ${all.length} messages`;
  },

  async retry() {
    const all = bodies('A').slice(0, 5);
    await send(all.map((body, n) => message('A', body, n)));
    let again = 0;
    await receive('*', all, (message, body) => {
      if (body === all[2] && message.reconsumeTimes === 0) {
        again += 1;
        return Consumer.ACTION_RETRY;
      }
      return undefined;
    });
    if (again !== 1) {
      throw new Error(`sent back ${again} times`);
    }
    return 'one message came again';
  },
};

if (!scenarios[scenario] || !group) {
  console.log(`usage: main.js NAMESRV SCENARIO TOPIC GROUP; scenarios: ${Object.keys(scenarios).join(' ')}`);
  process.exit(1);
}
setTimeout(() => {
  console.log(`failed ${scenario}: not done after ${WATCHDOG_MS} ms`);
  process.exit(1);
}, WATCHDOG_MS);
scenarios[scenario]().then(
  done => {
    console.log(`ok ${scenario} ${done}`);
    process.exit(0);
  },
  error => {
    console.log(`failed ${scenario}:`, error);
    process.exit(1);
  },
);
