package main

import (
	"fmt"
	"strings"

	"github.com/boombuler/barcode/qr"
)

// quietZone is how many light modules must surround a QR code (ISO/IEC 18004).
const quietZone = 4

// qrCode draws text as a QR code, two modules to a character. With color the
// modules are black and white whatever the terminal's own colours are; without
// it light modules are drawn with the terminal's foreground, as suits a dark
// background, and most readers take the inverse too.
func qrCode(text string, color bool) (string, error) {
	code, err := qr.Encode(text, qr.M, qr.Auto)
	if err != nil {
		return "", fmt.Errorf("draw the QR code: %w", err)
	}
	size := code.Bounds().Dx()
	light := func(x, y int) bool {
		if x < 0 || y < 0 || x >= size || y >= size {
			return true
		}
		r, _, _, _ := code.At(x, y).RGBA()
		return r != 0
	}
	var b strings.Builder
	for y := -quietZone; y < size+quietZone; y += 2 {
		if color {
			b.WriteString("\x1b[38;5;231;48;5;16m") // white on black, from the fixed part of the palette
		}
		for x := -quietZone; x < size+quietZone; x++ {
			// Below the last row, if their number is odd, nothing is drawn but
			// light.
			switch top, bottom := light(x, y), light(x, y+1); {
			case top && bottom:
				b.WriteRune('█')
			case top:
				b.WriteRune('▀')
			case bottom:
				b.WriteRune('▄')
			default:
				b.WriteRune(' ')
			}
		}
		if color {
			b.WriteString("\x1b[0m")
		}
		b.WriteByte('\n')
	}
	return b.String(), nil
}
