"""Prints a peer's records beside ours: `python ratios.py PEER.json OURS.json`, both as `cargo xtask bench --json` writes them."""

import json
import sys


def read(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def main():
    peers, ours = read(sys.argv[1]), read(sys.argv[2])
    medians = {(r["id"], r["threads"]): r["median_ns"] for r in peers}
    print("| id | set | threads | peer, ms | ours, ms | peer / ours |")
    print("|---|---|---|---|---|---|")
    for r in ours:
        peer = medians.get((r["id"], r["threads"]))
        if peer:
            mine = r["median_ns"]
            print(f"| `{r['id']}` | `{r['params']}` | {r['threads']} | {peer / 1e6:.1f} | {mine / 1e6:.1f} | {peer / mine:.1f} |")


if __name__ == "__main__":
    main()
