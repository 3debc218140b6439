// Asks the gateway at argv[2] with OpenAI's npm client, and prints what came as JSON.
import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.argv[2], apiKey: "unused", maxRetries: 0 });
const messages = [{ role: "user", content: "你好" }];
const found = {};

found.models = (await client.models.list()).data.map((model) => model.id);

const chat = await client.chat.completions.create({ model: "echo", messages, n: 2 });
found.chat = chat.choices.map((choice) => choice.message.content);
found.usage = chat.usage;

const stream = await client.chat.completions.create({
  model: "echo", messages, stream: true, stream_options: { include_usage: true },
});
found.streamed = "";
for await (const chunk of stream) {
  found.streamed += chunk.choices[0]?.delta?.content ?? "";
  found.streamed_usage = chunk.usage;
}

found.completion = (await client.completions.create({ model: "echo", prompt: ["丹", "炉"] })).choices.map((c) => c.text);

const tools = [{ type: "function", function: { name: "add", parameters: { type: "object" } } }];
const call = '<tool_call>{"name": "add", "arguments": {"a": 3}}</tool_call>';
const runner = client.chat.completions.stream({ model: "echo", messages: [{ role: "user", content: call }], tools });
const called = (await runner.finalChatCompletion()).choices[0];
found.call = [called.finish_reason, called.message.tool_calls[0].function.name, called.message.tool_calls[0].function.arguments];

const parsed = await client.chat.completions.create({
  model: "echo", messages: [{ role: "user", content: '{"a": 1}' }], response_format: { type: "json_object" },
});
found.json = JSON.parse(parsed.choices[0].message.content);

const logprobs = await client.chat.completions.create({ model: "tiny", messages, logprobs: true, top_logprobs: 2, max_tokens: 3, ignore_eos: true });
found.logprobs = logprobs.choices[0].logprobs.content.map((entry) => entry.top_logprobs.length);

found.errors = [];
for (const wrong of [{ model: "gpt" }, { n: 1000 }, { max_tokens: -1 }, { response_format: { type: "regex", pattern: "(" } }]) {
  try {
    await client.chat.completions.create({ model: "echo", messages, ...wrong });
  } catch (error) {
    found.errors.push([error.constructor.name, error.status, error.param]);
  }
}
console.log(JSON.stringify(found));
