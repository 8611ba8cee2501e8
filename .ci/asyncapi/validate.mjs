// Validates an AsyncAPI document by the parser of the AsyncAPI project. The exit code is 1 if the parser finds an error or a
// warning. Then it breaks the document in several ways, and the exit code is also 1 if the parser accepts one of them.
//
//     node validate.mjs asyncapi.json
import {readFileSync} from 'node:fs';
import {Parser} from '@asyncapi/parser';

const severities = ['error', 'warning'];

// Returns the parsed document, which is missing if it cannot be parsed, and what is wrong with it.
async function validate(text) {
	const {document, diagnostics} = await new Parser().parse(text);
	const wrong = diagnostics.filter(d => d.severity < severities.length)
		.map(d => `${severities[d.severity]}: ${d.path.join('/')}: ${d.message} (${d.code})`);
	return {document, wrong};
}

const text = readFileSync(process.argv[2], 'utf8');
const {document, wrong} = await validate(text);
wrong.forEach(w => console.log(w));
if (document === undefined || wrong.length > 0) {
	process.exit(1);
}
for (const channel of document.channels().all()) {
	console.log(`${channel.address()}: ${channel.messages().all().map(m => m.name()).join(', ')}`);
}

for (const [from, to] of [
	['"action": "send"', '"action": "shout"'],
	['"type": "integer"', '"type": "intiger"'],
	['#/components/schemas/event"', '#/components/schemas/evnt"'],
	['"bindingVersion": "0.5.0"', '"bindingVersion": "5"'],
]) {
	const broken = text.replace(from, to);
	if (broken === text || (await validate(broken)).wrong.length === 0) {
		console.log(`not found to be broken: ${from} became ${to}`);
		process.exit(1);
	}
}
