"""A rendered chest phantom: lengths of soft tissue, air and bone along parallel rays, then exposure, scatter, grain and display.

No pixel comes from a radiograph. Lengths are in cm, x to the patient's left (image right), y down, z to the back; the origin
is the middle of the film's upper edge. Shapes were set by eye and by textbook proportions of a child of three.
"""
import numpy as np
from scipy.ndimage import gaussian_filter, zoom

WIDTH, HEIGHT = 21.2, 17.4  # cm
COLUMNS, ROWS = 896, 736
PX = WIDTH / COLUMNS
MIDDLES = np.arange(COLUMNS) + .5  # of pixels
MU_WATER, MU_BONE = 0.20, 0.55  # 1/cm, about 70 kV


def smooth(v, lo, hi):
    t = np.clip((v - lo) / (hi - lo), 0, 1)
    return t * t * (3 - 2 * t)


def inside(f, softness):
    """1 where f < 0, 0 where f > 0, a linear ramp between."""
    return np.clip(0.5 - f / softness, 0, 1)


def fractal(g, shape, cell, octaves=4, fall=0.55):
    """Fractal value noise of zero mean and unit deviation; `cell` pixels a period at the coarsest octave."""
    total = np.zeros(shape)
    for k in range(octaves):
        n = [max(2, int(np.ceil(s / cell * 2 ** k)) + 2) for s in shape]
        grid = g.standard_normal(n)
        fine = zoom(grid, [(s + 1) / (m - 1) for s, m in zip(shape, n)], order=3 if max(n) < 80 else 1)
        total += fall ** k * fine[:shape[0], :shape[1]]
    return (total - total.mean()) / total.std()


def fineness(a):
    """Pixels of a map in a pixel of the whole film: what is given in pixels is for COLUMNS of them."""
    return a.shape[1] / COLUMNS


class Body:
    """Shape parameters of one phantom child, jittered around the usual by a seeded generator."""

    def __init__(self, g):
        j = lambda middle, spread: middle + spread * g.uniform(-1, 1)
        self.shift, self.turn, self.tilt = j(0, .5), j(0, .5), np.radians(j(0, 2.5))
        self.size = j(1.0, .05)
        self.cage_w, self.cage_d = j(8.0, .4), j(5.2, .3)
        self.apex, self.waist = j(2.6, .25), j(14.0, .5)
        self.dome_r, self.dome_l = j(12.7, .4), j(13.4, .3)
        self.heart = (j(1.2, .3), j(11.0, .3), j(3.6, .25), j(2.8, .2), np.radians(j(38, 6)))
        self.thymus = j(.5, .3)
        self.stomach = (j(4.4, .5), j(15.4, .4), j(1.8, .4), j(.9, .2))
        self.rib_gap, self.rib_r = j(1.27, .05), j(.25, .02)
        self.arm = j(7.6, 1.2)


def axes():
    x = (np.arange(COLUMNS) + .5) * PX - WIDTH / 2
    y = (np.arange(ROWS) + .5) * PX
    return np.meshgrid(x, y)


def placed(b, x, y):
    """Film coordinates -> body coordinates: shift, tilt and size of the child."""
    u, v = x - b.shift, y - HEIGHT / 2
    c, s = np.cos(b.tilt), np.sin(b.tilt)
    return (c * u + s * v) / b.size, (-s * u + c * v) / b.size + HEIGHT / 2


def torso(b, x, y):
    """Thickness of the trunk, neck and arms."""
    wall = b.cage_w + 1.25
    half = 2.7 + (wall - 2.7) * smooth(y, 0.2, 5.5) ** .8 + .3 * smooth(y, 12, 21)
    depth = 3.2 + (b.cage_d + 1.2 - 3.2) * smooth(y, 0, 8)
    body = 2 * depth * np.clip(1 - (np.abs(x) / half) ** 2.6, 0, None) ** (1 / 2.2)
    for side in (-1, 1):
        ax, ay, bx, by, r = side * 6.3, 4.1, side * 14.5, b.arm, 2.15
        d = capsule(x, y, ax, ay, bx, by)
        body = np.maximum(body, 2 * np.sqrt(np.clip(r * r - d * d, 0, None)) * 1.25)
    return body


def capsule(x, y, ax, ay, bx, by):
    t = np.clip(((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / ((bx - ax) ** 2 + (by - ay) ** 2), 0, 1)
    return np.hypot(x - ax - t * (bx - ax), y - ay - t * (by - ay))


def cage_half(b, y):
    """Inner half width of the rib cage at height y."""
    up = np.clip((b.waist - y) / (b.waist - b.apex), 0, 1)
    return b.cage_w * np.clip(1 - up ** 2.3, 0, None) ** .52 + .15 * smooth(y, b.waist, 20)


def lungs(b, x, y):
    """Thickness of aerated lung, right and left, by adding up 40 slices from front to back at half resolution."""
    xs, ys = x[::2, ::2], y[::2, ::2]
    sides = [np.zeros(xs.shape), np.zeros(xs.shape)]
    zs = np.linspace(-b.cage_d, b.cage_d, 40)
    dz = zs[1] - zs[0]
    hx, hy, ha, hb, turn = b.heart
    c, s = np.cos(turn), np.sin(turn)
    half = cage_half(b, ys)
    depth = np.clip(half / b.cage_w, .05, 1) ** .8
    for z in zs:
        zn = z / b.cage_d / depth
        cage = inside((np.hypot(xs / np.maximum(half, 1e-3), zn) - 1) * 2.5, .25)
        # The lungs meet nearer the middle in front of the spine and behind the breastbone than at the heart's level.
        middle = 1.5 + b.thymus * np.exp(-((ys - 6) / 2.4) ** 2) + .3 * smooth(ys, 8, 13) + .6 * smooth(-ys, -4.6, -2.6) - .5 * smooth(zn, .25, .7)
        dome = np.where(xs < 0, b.dome_r, b.dome_l) + .062 * (np.abs(xs) - 4.2) ** 2 + .085 * (z + 1.6) ** 2 * np.where(z > -1.6, 1, .6)
        u, v = c * (xs - hx) + s * (ys - hy), -s * (xs - hx) + c * (ys - hy)
        heart = np.minimum((np.sqrt((u / ha) ** 2 + (v / hb) ** 2 + ((z + .8) / 4.3) ** 2) - 1) * 3,
                           (np.sqrt(((xs + 1.15) / 1.75) ** 2 + ((ys - hy + .2) / 2.7) ** 2 + ((z + .5) / 3.6) ** 2) - 1) * 2)
        knob = (np.sqrt(((xs - 1.55) / 1.0) ** 2 + ((ys - 6.6) / 1.15) ** 2 + ((z - .5) / 1.6) ** 2) - 1)
        hilum = (np.sqrt(((np.abs(xs) - 1.9) / 1.0) ** 2 + ((ys - 9.0) / 1.3) ** 2 + (z / 1.2) ** 2) - 1)
        solid = np.minimum(np.minimum(heart, knob), hilum)
        air = cage * inside(ys - dome, .18) * inside(-solid, .22)
        for i, side in enumerate((-1, 1)):
            sides[i] += dz * air * inside(middle - side * xs, .25)
    return [zoom(t, 2, order=1)[:ROWS, :COLUMNS] for t in sides]


class Canvas:
    """Adds tubes along curves as thickness maps."""

    def __init__(self, b):
        self.map, self.body = np.zeros((ROWS, COLUMNS)), b

    def film(self, x, y):
        b = self.body
        c, s = np.cos(b.tilt), np.sin(b.tilt)
        u, v = x * b.size, (y - HEIGHT / 2) * b.size
        return c * u - s * v + b.shift, s * u + c * v + HEIGHT / 2

    def tube(self, points, radius, shell=0.0, weight=1.0):
        """points [N,3] in cm; radius number or [N]. `shell` of the wall's weight is taken out of the core (cortical bone)."""
        points = np.asarray(points, float)
        radius = np.broadcast_to(radius, len(points)).astype(float)
        step = np.linalg.norm(np.diff(points, axis=0), axis=1)
        along = np.concatenate([[0], np.cumsum(step)])
        n = max(2, int(along[-1] / (1.2 * PX)))
        at = np.linspace(0, along[-1], n)
        p = np.stack([np.interp(at, along, points[:, k]) for k in range(3)], 1)
        r = np.interp(at, along, radius)
        ds = along[-1] / (n - 1)
        fx, fy = self.film(p[:, 0], p[:, 1])
        for cx, cy, rad in zip((fx + WIDTH / 2) / PX, fy / PX, r):
            k = int(rad / PX) + 2
            x0, y0 = int(cx) - k, int(cy) - k
            if x0 < 0 or y0 < 0 or x0 + 2 * k + 1 >= COLUMNS or y0 + 2 * k + 1 >= ROWS:
                continue
            d2 = ((MIDDLES[x0:x0 + 2 * k + 1] - cx) ** 2 + (MIDDLES[y0:y0 + 2 * k + 1, None] - cy) ** 2) * PX * PX
            blob = np.sqrt(np.clip(rad ** 2 - d2, 0, None)) / rad
            if shell:
                blob = blob - shell * np.sqrt(np.clip((.78 * rad) ** 2 - d2, 0, None)) / rad
            self.map[y0:y0 + 2 * k + 1, x0:x0 + 2 * k + 1] += weight * ds * 1.3 * blob


def ribs(b, canvas):
    for i in range(12):
        y0 = b.apex + .1 + b.rib_gap * i * (1 + .012 * i)
        half = (cage_half(b, np.array(y0 + 1.6)) + .18) if i else b.cage_w * .55
        reach = 2.55 - (.0 if i < 8 else .38 * (i - 7))
        theta = np.linspace(.16, reach, 120)
        drop = 3.2 + .28 * min(i, 7)
        for side in (-1, 1):
            u = np.sin(theta) ** .9
            x = side * (half * u + .25) + b.turn * .25 * np.cos(theta)
            y = y0 + drop * (1 - np.cos(theta)) / 2 - .55 * np.sin(theta * 1.3) * (i < 9) + .25 * np.sin(2 * theta)
            z = (b.cage_d + .2) * np.cos(theta)
            front = smooth(theta, 1.6, 2.5)
            canvas.tube(np.stack([x, y, z], 1), b.rib_r * (1.02 - .35 * front), shell=.62, weight=.95)


def shoulders(b, canvas):
    for side in (-1, 1):
        t = np.linspace(0, 1, 40)
        clavicle = np.stack([side * (1.25 + 6.6 * t), 4.55 - 1.1 * t + .45 * np.sin(2 * np.pi * t) * (1 - .3 * t) + side * b.turn * .3, -4 + 0 * t], 1)
        canvas.tube(clavicle, .3 + .1 * (2 * t - 1) ** 2, shell=.55, weight=1.15)
        blade = [(7.6, 4.6), (6.9, 7.0), (7.3, 9.6), (8.0, 11.2), (8.5, 9.2), (8.9, 6.4)]
        canvas.tube([(side * u, v, 4) for u, v in blade], .16, shell=.3, weight=.7)
        canvas.tube([(side * u, v, 4) for u, v in [(6.9, 6.0), (8.0, 4.6), (9.2, 3.6)]], .22, shell=.4, weight=.6)
        head = np.array([side * 8.9, 4.5, 0])
        shaft = np.array([side * 15.5, b.arm + .6, 0])
        way = np.linspace(0, 1, 30)[:, None]
        canvas.tube(head + (shaft - head) * way, .55 + .45 * np.exp(-way[:, 0] * 9), shell=.68, weight=1.1)


def spine(b, x, y, g):
    """Vertebral bodies with end plates, pedicles and spinous processes."""
    whole = np.zeros(x.shape)
    reached = (np.abs(x) < 4).any(0)
    x, y = x[:, reached], y[:, reached]
    bone = np.zeros(x.shape)
    height = 1.38
    for i in range(-2, 16):
        cy = .4 + height * i
        w, h = .84 + .02 * i, .56
        cx = .02 * g.standard_normal() + b.turn * .1
        box = (np.abs((x - cx) / w) ** 5 + np.abs((y - cy) / h) ** 5) ** .2
        body = inside((box - 1) * .6, .16)
        plate = np.exp(-((np.abs(y - cy) - h + .05) / .07) ** 2) * inside(np.abs(x - cx) - w, .2)
        bone += .36 * body + .15 * plate
        for side in (-1, 1):
            ring = np.hypot((x - cx - side * .52) / .18, (y - cy + .12) / .27)
            bone += .2 * np.exp(-((ring - 1) / .35) ** 2)
            bone += .3 * inside(capsule(x, y, cx + side * .6, cy - .1, cx + side * 1.6, cy - .4) - .17, .2)
        bone += .25 * inside(np.hypot((x - cx + b.turn * .5) / .15, (y - cy - .35) / .34) - 1, .5)
    whole[:, reached] = bone
    return whole


def vessels(b, canvas, g, bronchial=0.0):
    """Two branching trees from the hila; `bronchial` thickens the central branches as in viral disease."""
    def grow(x, y, angle, radius, depth):
        length = g.uniform(.75, 1.25) * (.55 + 2.4 * radius ** .5)
        t = np.linspace(0, 1, 8)
        bend = g.normal(0, .25)
        a = angle + bend * t
        xs, ys = x + np.cumsum(np.cos(a)) * length / 8, y + np.cumsum(np.sin(a)) * length / 8
        near = 1 + bronchial * np.exp(-depth / 1.8)
        canvas.tube(np.stack([xs, ys, 0 * t], 1), radius * near * (1 - .25 * t), weight=.8 * near)
        if depth < 8 and radius > .03:
            for turn in (g.normal(.45, .18), -g.normal(.45, .18)):
                grow(xs[-1], ys[-1], a[-1] + turn, radius * g.uniform(.62, .82), depth + 1)
    for side in (-1, 1):
        for angle in (-1.25, -.75, -.2, .3, .75, 1.15, 1.4):
            a = angle + g.normal(0, .1)
            grow(side * 2.0, 8.9 + .5 * np.sin(angle), a if side > 0 else np.pi - a, g.uniform(.2, .29), 0)


def patch_of(g, x, y, patch):
    """Share of the lung's air that a soft patch with ragged, fractal edges fills. patch: x, y, rx, ry in cm, strength."""
    cx, cy, rx, ry, strength = patch
    k = fineness(x)
    d = np.hypot((x - cx) / rx, (y - cy) / ry) + .24 * fractal(g, x.shape, 110 * k, 5, .6)
    return strength * smooth(-d, -1.25, -.35) * (1 + .12 * fractal(g, x.shape, 40 * k, 4, .7)).clip(0, 1.2)


def nodule_of(x, y, nodule):
    """Water, in cm, that a ball has instead of the lung's air. nodule: x, y, radius in cm, density (1: soft tissue, more: calcium)."""
    cx, cy, radius, density = nodule
    return 2 * .76 * density * np.sqrt(np.clip(radius ** 2 - (x - cx) ** 2 - (y - cy) ** 2, 0, None))


class Chest:
    """One child: what is in the way of the rays, in cm, as maps. `bronchial` as in vessels."""

    def __init__(self, g, bronchial):
        self.body = b = Body(g)
        self.x, self.y = placed(b, *axes())
        self.soft = torso(b, self.x, self.y) * (1 + .012 * fractal(g, self.x.shape, 160, 4))
        sides = lungs(b, self.x, self.y)
        self.air = sides[0] + sides[1]
        self.tree = Canvas(b)
        vessels(b, self.tree, g, bronchial)

    def surround(self, g):
        """`aerated`: what is missing of water where the lung is full of air; `water` of everything else, `bone`."""
        b, x, y = self.body, self.x, self.y
        texture = 1 + .035 * fractal(g, x.shape, 26, 4, .8)
        # Aerated lung weighs a quarter of water; the tree adds its own water where there is air around it to show it.
        self.aerated = .76 * self.air * texture - self.tree.map * smooth(self.air, .3, 3) * 1.8
        windpipe = Canvas(b)
        windpipe.tube([(.1, -1, 0), (.15, 4, 0), (-.05, 7.6, 0)], .5, weight=2.6)
        windpipe.tube([(-.05, 7.5, 0), (-1.9, 9.0, 0)], .38, weight=2)
        windpipe.tube([(-.05, 7.5, 0), (2.1, 9.2, 0)], .34, weight=2)
        water = self.soft - .75 * gaussian_filter(windpipe.map, 2)
        sx, sy, sa, sb = b.stomach
        bubble = np.hypot((x - sx) / sa, (y - sy) / sb) + .1 * fractal(g, x.shape, 120)
        water = water - 2.6 * np.sqrt(np.clip(1 - bubble ** 2, 0, None))
        for _ in range(5):
            gas = np.hypot((x - g.uniform(-6, 6)) / g.uniform(.5, 1.1), (y - g.uniform(19, 22)) / g.uniform(.4, .8)) + .15 * fractal(g, x.shape, 60)
            water = water - 1.2 * np.sqrt(np.clip(1 - gas ** 2, 0, None))
        self.water = water
        bones = Canvas(b)
        ribs(b, bones)
        shoulders(b, bones)
        self.bone = (bones.map + spine(b, x, y, g) * smooth(self.soft, 0, 2)) * (1 + .06 * fractal(g, x.shape, 8, 3, .9))

    def halved(self):
        """The same chest in half the pixels a side: many films of one body cost a quarter each."""
        for name in ('x', 'y', 'soft', 'air', 'aerated', 'water', 'bone'):
            setattr(self, name, getattr(self, name).reshape(ROWS // 2, 2, COLUMNS // 2, 2).mean((1, 3)))

    def filled(self, g, shares, haze):
        """Share of the air that is filled, of patches and of a `haze` all over."""
        left = np.ones(self.x.shape)
        for share in shares:
            left = left * (1 - share)
        return 1 - (1 - (1 - left).clip(0, .97)) * (1 - haze * (1 + .25 * fractal(g, self.x.shape, 130 * fineness(self.x))).clip(0, 2))

    def film(self, g, filled, solid=0):
        """`solid`: water of nodules, in cm."""
        water = self.water - self.aerated * (1 - filled) + solid
        return expose(g, MU_WATER * water.clip(0, None) + MU_BONE * self.bone * smooth(self.soft, 0, 1), self.soft)


def render(seed, patches=(), haze=0.0, bronchial=0.0):
    """One film as presentation grey in [0,1], float64 [ROWS, COLUMNS]; bones bright. `haze` fills that share of all lung air."""
    g = np.random.default_rng(seed)
    chest = Chest(g, bronchial)
    filled = chest.filled(g, [patch_of(g, chest.x, chest.y, patch) for patch in patches], haze)
    chest.surround(g)
    return chest.film(g, filled)


def expose(g, attenuation, soft):
    """Attenuation (natural logarithm) -> display: focal blur, scatter, quantum noise, processing, collimator, side marker."""
    k = fineness(soft)
    primary = np.exp(-gaussian_filter(attenuation, .8 * k))
    scatter = gaussian_filter(primary * smooth(soft, 0, 3), 70 * k)
    signal = .78 * primary + .55 * scatter + .004
    noise = gaussian_filter(g.standard_normal(signal.shape), .7 * k)
    signal = signal * (1 + .014 * noise / noise.std() * np.sqrt(.12 / (signal + .02)))
    density = -np.log(signal.clip(1e-4, None))
    # As computed radiography does: the slow variation is compressed, edges lifted a little.
    slow, middle, fast = (gaussian_filter(density, s * k) for s in (45, 14, 3))
    density = .7 * slow + 1.15 * (density - slow) + .6 * (density - middle) + .35 * (density - fast)
    body = soft > 1.5
    low, high = np.percentile(density[body], [2, 99.3])
    grey = (density - low) / (high - low)
    grey = 1 / (1 + np.exp(-4.0 * (grey - .46)))
    grey = (grey - .1) / .82
    return (grey + .35 * (grey - gaussian_filter(grey, 40 * k))).clip(0, 1)
