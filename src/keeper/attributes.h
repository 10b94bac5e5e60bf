/* Attributes that a program sets: what libvterm 0.1.4 knows goes there, the rest into the pen. */
#pragma once

#include <stddef.h>

#include "keeper/cell.h"

/* One whole sequence, CSI ... m; libvterm's callback changes the same pen. */
void attributes_take(VTerm *vterm, struct pen *pen, const char *bytes, size_t n);
