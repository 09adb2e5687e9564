// A stranger to Tallystick: logs read, proven, written and cosigned by Go's golang.org/x/mod/sumdb and its standard library.
// tests/interop/golang.py says what is built with it. Each command prints one line of JSON.
package main

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"crypto/mldsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"interop/note"
	"interop/tlog"
)

const height = 8

func main() {
	commands := map[string]func([]string) any{"audit": audit, "leaf": leaf, "check": check, "write": write}
	answer := commands[os.Args[1]](os.Args[2:])
	must0(json.NewEncoder(os.Stdout).Encode(answer))
}

// audit DIR KEY,KEY,… SIZE,SIZE,…: open the checkpoint with these keys, prove every record of the log, and that its tree
// begins with those of the sizes.
func audit(args []string) any {
	dir, keys, sizes := args[0], strings.Split(args[1], ","), strings.Split(args[2], ",")
	opened := must(note.Open(must(os.ReadFile(filepath.Join(dir, "checkpoint"))), verifiers(keys)))
	origin, tree := parsed(opened.Text)
	authenticated := tlog.TileHashReader(tree, folder(dir))

	all := make([]int64, tlog.StoredHashCount(tree.N))
	for at := range all {
		all[at] = int64(at)
	}
	hashes := must(authenticated.ReadHashes(all)) // each checked against the tree
	known := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		found := make([]tlog.Hash, len(indexes))
		for at, index := range indexes {
			found[at] = hashes[index]
		}
		return found, nil
	})

	records := 0
	for number := int64(0); number < tree.N; number += 1 << height {
		for at, data := range bundle(dir, number>>height, tree.N) {
			proof := must(tlog.ProveRecord(tree.N, number+int64(at), known))
			must0(tlog.CheckRecord(proof, tree.N, tree.Hash, number+int64(at), tlog.RecordHash(data)))
			records++
		}
	}
	direct := 0 // as a client of Go's checksum database does it
	for index := int64(0); index < tree.N; index += 1 + tree.N/50 {
		proof := must(tlog.ProveRecord(tree.N, index, authenticated))
		must0(tlog.CheckRecord(proof, tree.N, tree.Hash, index, hashes[tlog.StoredHashIndex(0, index)]))
		direct++
	}
	trees := 0
	for _, text := range sizes {
		size := must(strconv.ParseInt(text, 10, 64))
		proof := must(tlog.ProveTree(tree.N, size, authenticated))
		must0(tlog.CheckTree(proof, tree.N, tree.Hash, size, must(tlog.TreeHash(size, authenticated))))
		trees++
	}
	names := []string{}
	for _, each := range opened.Sigs {
		names = append(names, each.Name)
	}
	return map[string]any{
		"origin": origin, "size": tree.N, "records": records, "direct": direct, "trees": trees,
		"signed": names, "unknown": len(opened.UnverifiedSigs),
	}
}

// leaf DIR SIZE ROOT INDEX: one record as a client of Go's checksum database takes it: its bytes hash to what the tiles say.
func leaf(args []string) any {
	dir, index := args[0], must(strconv.ParseInt(args[3], 10, 64))
	tree := tlog.Tree{N: must(strconv.ParseInt(args[1], 10, 64)), Hash: hash(args[2])}
	found, err := tlog.TileHashReader(tree, folder(dir)).ReadHashes([]int64{tlog.StoredHashIndex(0, index)})
	if err != nil {
		return map[string]any{"refused": err.Error()}
	}
	data := bundle(dir, index>>height, tree.N)[index%(1<<height)]
	if tlog.RecordHash(data) != found[0] {
		return map[string]any{"refused": "another record"}
	}
	return map[string]any{"leaf": string(data)}
}

// check: proofs on standard input, one a line, and how many of them hold.
func check([]string) any {
	accepted, refused := 0, 0
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var each struct {
			Old, New         int64
			OldRoot, NewRoot string
			Index            *int64
			Leaf             string
			Proof            []string
		}
		must0(json.Unmarshal(lines.Bytes(), &each))
		hashes := make([]tlog.Hash, len(each.Proof))
		for at, text := range each.Proof {
			hashes[at] = hash(text)
		}
		var err error
		if each.Index != nil {
			err = tlog.CheckRecord(hashes, each.New, hash(each.NewRoot), *each.Index, hash(each.Leaf))
		} else {
			err = tlog.CheckTree(hashes, each.New, hash(each.NewRoot), each.Old, hash(each.OldRoot))
		}
		if err == nil {
			accepted++
		} else {
			refused++
		}
	}
	must0(lines.Err())
	return map[string]any{"accepted": accepted, "refused": refused}
}

// write DIR ORIGIN SIZE TIME: a log of our own, signed, and cosigned by a witness of each kind.
func write(args []string) any {
	dir, origin := args[0], args[1]
	size, at := must(strconv.ParseInt(args[2], 10, 64)), must(strconv.ParseUint(args[3], 10, 64))
	var hashes []tlog.Hash
	stored := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		found := make([]tlog.Hash, len(indexes))
		for at, index := range indexes {
			found[at] = hashes[index]
		}
		return found, nil
	})
	var entries bytes.Buffer
	for index := int64(0); index < size; index++ {
		data := []byte(fmt.Sprintf("go %d", index))
		hashes = append(hashes, must(tlog.StoredHashes(index, data, stored))...)
		binary.Write(&entries, binary.BigEndian, uint16(len(data)))
		entries.Write(data)
		if width := index%(1<<height) + 1; width == 1<<height || index == size-1 {
			tile := tlog.Tile{H: height, L: 0, N: index >> height, W: int(width)}
			put(dir, strings.Replace(path(tile), "tile/0/", "tile/entries/", 1), entries.Bytes())
			entries.Reset()
		}
	}
	for _, tile := range tlog.NewTiles(height, 0, size) {
		put(dir, path(tile), must(tlog.ReadTileData(tile, stored)))
	}
	root := must(tlog.TreeHash(size, stored))
	text := fmt.Sprintf("%s\n%d\n%s\n", origin, size, root)

	log, key := edKey(origin, 0x01, 1)
	first, second := cosigner("witness.example/go-1", 0x04, at), cosigner("witness.example/go-2", 0x06, at)
	put(dir, "checkpoint", must(note.Sign(&note.Note{Text: text}, must(note.NewSigner(key)), first, second)))
	return map[string]any{"log": log, "witnesses": []string{first.vkey(), second.vkey()}}
}

// The tiles of a folder, where C2SP has them: without the height.
type folder string

func (dir folder) Height() int { return height }

func (dir folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	found := make([][]byte, len(tiles))
	for at, tile := range tiles {
		data, err := os.ReadFile(filepath.Join(string(dir), path(tile)))
		if err != nil {
			return nil, err
		}
		found[at] = data
	}
	return found, nil
}

func (dir folder) SaveTiles([]tlog.Tile, [][]byte) {}

func path(tile tlog.Tile) string {
	return strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
}

func bundle(dir string, number, size int64) [][]byte {
	width := min(size-number<<height, 1<<height)
	tile := tlog.Tile{H: height, L: 0, N: number, W: int(width)}
	data := must(os.ReadFile(filepath.Join(dir, strings.Replace(path(tile), "tile/0/", "tile/entries/", 1))))
	var found [][]byte
	for len(data) > 0 {
		length := 2 + int(binary.BigEndian.Uint16(data))
		found = append(found, data[2:length])
		data = data[length:]
	}
	if int64(len(found)) != width {
		panic("a bundle of another width")
	}
	return found
}

func parsed(text string) (string, tlog.Tree) {
	lines := strings.Split(text, "\n")
	if len(lines) != 4 {
		panic("a checkpoint has three lines")
	}
	return lines[0], tlog.Tree{N: must(strconv.ParseInt(lines[1], 10, 64)), Hash: hash(lines[2])}
}

// Cosignatures (c2sp.org/tlog-cosignature), which x/mod does not know: verified and made by Go's standard library.
type witness struct {
	name   string
	kind   byte
	public []byte
	at     uint64
	sign   func(message []byte) []byte
}

func (w witness) Name() string { return w.name }

func (w witness) KeyHash() uint32 {
	sum := sha256.Sum256(append([]byte(w.name+"\n"+string([]byte{w.kind})), w.public...))
	return binary.BigEndian.Uint32(sum[:])
}

func (w witness) vkey() string {
	return fmt.Sprintf("%s+%08x+%s", w.name, w.KeyHash(), base64.StdEncoding.EncodeToString(append([]byte{w.kind}, w.public...)))
}

func (w witness) message(text []byte, at uint64) []byte {
	if w.kind == 0x04 {
		return append([]byte(fmt.Sprintf("cosignature/v1\ntime %d\n", at)), text...)
	}
	origin, tree := parsed(string(text))
	message := append([]byte("subtree/v1\n\x00"), byte(len(w.name)))
	message = append(message, w.name...)
	message = binary.BigEndian.AppendUint64(message, at)
	message = append(append(message, byte(len(origin))), origin...)
	message = binary.BigEndian.AppendUint64(message, 0)
	message = binary.BigEndian.AppendUint64(message, uint64(tree.N))
	return append(message, tree.Hash[:]...)
}

func (w witness) Verify(text, signature []byte) bool {
	if len(signature) < 8 {
		return false
	}
	message := w.message(text, binary.BigEndian.Uint64(signature))
	if w.kind == 0x04 {
		return ed25519.Verify(w.public, message, signature[8:])
	}
	return mldsa.Verify(must(mldsa.NewPublicKey(mldsa.MLDSA44(), w.public)), message, signature[8:], nil) == nil
}

func (w witness) Sign(text []byte) ([]byte, error) {
	return append(binary.BigEndian.AppendUint64(nil, w.at), w.sign(w.message(text, w.at))...), nil
}

func cosigner(name string, kind byte, at uint64) witness {
	seed := bytes.Repeat([]byte{kind}, 32)
	if kind == 0x04 {
		private := ed25519.NewKeyFromSeed(seed)
		return witness{name, kind, private.Public().(ed25519.PublicKey), at, func(message []byte) []byte {
			return ed25519.Sign(private, message)
		}}
	}
	private := must(mldsa.NewPrivateKey(mldsa.MLDSA44(), seed))
	return witness{name, kind, private.PublicKey().Bytes(), at, func(message []byte) []byte {
		return must(private.Sign(nil, message, &mldsa.Options{}))
	}}
}

func edKey(name string, kind, seed byte) (vkey, skey string) {
	private := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, 32))
	vkey = must(note.NewEd25519VerifierKey(name, private.Public().(ed25519.PublicKey)))
	id := strings.Split(vkey, "+")[1]
	return vkey, "PRIVATE+KEY+" + name + "+" + id + "+" + base64.StdEncoding.EncodeToString(append([]byte{kind}, private.Seed()...))
}

func verifiers(keys []string) note.Verifiers {
	var found []note.Verifier
	for _, key := range keys {
		if verifier, err := note.NewVerifier(key); err == nil {
			found = append(found, verifier)
			continue
		}
		parts := strings.SplitN(key, "+", 3)
		data := must(base64.StdEncoding.DecodeString(parts[2]))
		each := witness{name: parts[0], kind: data[0], public: data[1:]}
		if each.vkey() != key {
			panic("a key of another id: " + key)
		}
		found = append(found, each)
	}
	return note.VerifierList(found...)
}

func hash(text string) tlog.Hash {
	return must(tlog.ParseHash(text))
}

func put(dir, name string, data []byte) {
	file := filepath.Join(dir, name)
	must0(os.MkdirAll(filepath.Dir(file), 0o755))
	must0(os.WriteFile(file, data, 0o644))
}

func must[T any](value T, err error) T {
	must0(err)
	return value
}

func must0(err error) {
	if err != nil && !errors.Is(err, io.EOF) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
