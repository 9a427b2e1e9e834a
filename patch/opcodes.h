/* Generated from patch/x86_length.ts by scripts/build_native.ts: do not edit. */
/* clang-format off */
#ifndef PATCH_OPCODES_H
#define PATCH_OPCODES_H

static const char ONE_BYTE[257] __attribute__((unused)) =
	"mmmmbzxxmmmmbzxemmmmbzxxmmmmbzxxmmmmbzpxmmmmbzpxmmmmbzpxmmmmbzpx"
	"pppppppppppppppp................xxemppppzZbB....rrrrrrrrrrrrrrrr"
	"BZxBmmmmmmmmmmmm..........x.....oooo....bz......bbbbbbbbqqqqqqqq"
	"BBw.eeBZi.w..bx.mmmmxxx.mmmmmmmmrrrrbbbbRRxr....p.pp..gG......mm";
static const char TWO_BYTE[257] __attribute__((unused)) =
	"mmmmx.....x.xm.Bmmmmmmmmmmmmmmmmmmmmxxxxmmmmmmmm......x.exexxxxx"
	"mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmBBBBmmm.mmxxmmmm"
	"RRRRRRRRRRRRRRRRmmmmmmmmmmmmmmmm...mBmxx...mBmmmmmmmmmmmmmBmmmmm"
	"mmBmBBBm........mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm";
static const char EFFECTS[257] __attribute__((unused)) =
	"mm*r****mm*r****mm*r****mm*r****mm*r****mm*r****mm*r****......**"
	"****************........***********r*****r*r****................"
	"mm*m..**mm*r*r**.***********************..**********************"
	"mm****mm********mmmm********************************************";
static const char EFFECTS_0F[257] __attribute__((unused)) =
	"************************.*****..********************************"
	"rrrrrrrrrrrrrrrr************************************************"
	"................mmmmmmmmmmmmmmmm***************r******rr******rr"
	"****************************************************************";

#endif
