// What tuf-js makes of a sealed folder: node -e … FOLDER OLDEST NEWEST, with tuf-js where node looks for it.
// Its Updater follows the roots from each that a client may have been given; then its models count the signatures of
// targets, held and bins. No network: files are read from the folder.
const fs = require('fs');
const os = require('os');
const path = require('path');
const { Readable } = require('stream');
const { Updater, BaseFetcher } = require('tuf-js');
const models = require(require.resolve('@tufjs/models', { paths: [require.resolve('tuf-js')] }));
const [folder, oldest, newest] = [process.argv[1], Number(process.argv[2]), Number(process.argv[3])];

class Folder extends BaseFetcher {
  async fetch(url) {
    const file = path.join(folder, path.basename(new URL(url).pathname));
    if (!fs.existsSync(file)) {
      const error = new Error('not there: ' + file);
      error.statusCode = 404;
      throw error;
    }
    return Readable.toWeb(Readable.from([fs.readFileSync(file)]));
  }
}

async function followed(version) {
  const metadataDir = fs.mkdtempSync(path.join(os.tmpdir(), 'tallystick-replay-'));
  try {
    fs.copyFileSync(path.join(folder, version + '.root.json'), path.join(metadataDir, 'root.json'));
    const updater = new Updater({ metadataDir, metadataBaseUrl: 'https://replay.invalid', fetcher: new Folder(), config: { fetchRetries: 0 } });
    let why = 'it went on without a timestamp';
    try { await updater.refresh(); } catch (error) { why = String(error); }
    const reached = JSON.parse(fs.readFileSync(path.join(metadataDir, 'root.json'))).signed.version;
    if (reached !== newest) throw new Error('from root ' + version + ' it stops at root ' + reached + ': ' + why);
  } finally {
    fs.rmSync(metadataDir, { recursive: true });
  }
}

function read(kind, role) {
  const file = fs.readdirSync(folder).find((name) => name.endsWith('.' + role + '.json') && (role !== 'root' || name === newest + '.root.json'));
  return models.Metadata.fromJSON(kind, JSON.parse(fs.readFileSync(path.join(folder, file), 'utf8')));
}

(async () => {
  for (let version = oldest; version <= newest; version++) await followed(version);
  const root = read(models.MetadataKind.Root, 'root');
  const targets = read(models.MetadataKind.Targets, 'targets');
  root.verifyDelegate('targets', targets);
  for (const role of ['held', 'bins']) targets.verifyDelegate(role, read(models.MetadataKind.Targets, role));
})().catch((error) => { console.error(String(error)); process.exit(1); });
