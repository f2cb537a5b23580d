# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
#   fathom:
#     number: 11
#     title: ResNet
#     question: "Why does a deeper network learn less, even about the data it is trained on, and what does a plus sign change?"
#     hours: 5
#     track: breadth
#     week: 5
#     needs: []
#     sources:
#       - "He, Zhang, Ren, Sun: Deep Residual Learning for Image Recognition (2015), sections 3 and 4.2, table 1"
#       - "He, Zhang, Ren, Sun: Delving Deep into Rectifiers (2015), section 2.2: the initialisation"
#       - "Veit, Wilber, Belongie: Residual Networks Behave Like Ensembles of Relatively Shallow Networks (2016)"
#       - "Goyal et al.: Accurate, Large Minibatch SGD (2017), section 5.1: the stride on the 3×3"
#     alone: [ZeroPad, shortcut_for, BasicBlock, Bottleneck, make_stage, ResNet]
#     from_scratch: [torchvision, timm, transformers, torch.hub, torch.nn.init.kaiming_normal_, torch.nn.init.kaiming_uniform_]
# ---

# %% [markdown]
# # ResNet
#
# **Why does a deeper network learn less, even about the data it is trained on, and what does a plus sign change?**
#
# You are about to write the residual networks of 2015: the small ones for CIFAR with 20, 56 or 110 layers and the large
# ones for ImageNet with 18 to 152, to the last of their 25,557,032 parameters. Every transformer has the same plus sign
# in it, twice per layer. At the end you will delete whole blocks from a trained network and watch it not care.
#
# Where this bites at work:
#
# - A bigger model scores worse, and the team adds dropout against overfitting. Nobody looked at the *training* loss,
#   which is worse as well.
# - A checkpoint of "ResNet-50" loads without a complaint, every name and every shape fits, and the accuracy is lower than
#   in the paper. A stride sits on another convolution, and strides have no weights.
# - The test accuracy changes when somebody sorts the test set. A layer still looks at its neighbours in the batch.
#
# | letter | meaning |
# |---|---|
# | $B$ | batch: how many images |
# | $C$ | channels, `c_in` and `c_out` where they differ |
# | $H, W$ | height and width of the maps |
# | $x$ | what comes into a block |
# | $\mathcal F(x)$ | what the block's convolutions make of it, before the plus sign |
#
# Images are tensors of shape (B, C, H, W). `nn.Conv2d`, `nn.BatchNorm2d` and `F.relu` are given; the architecture is not.

# %%
from autograder import aha, check, hint, palette  # first: its judge warms up while the rest is imported

import math
import os
import time
from importlib.util import find_spec
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

INK, BLUE, ORANGE, GREEN, *_ = palette()
torch.set_num_threads(1)

# %% [markdown]
# ## A network that should not be worse
#
# Take a network of 20 layers and put 36 more in the middle. If the new ones copied their input, the 56 layers would do
# what the 20 do. So the best deep network is at least as good as the best shallow one, on the training data certainly.
#
# Both were trained on the 1,437 digits that you will use below: 3×3 convolutions, batch norm and relu, one after the
# other. The numbers are recorded; you will be able to repeat them with your own code.
#
# **Predict.** Three things could happen to the training loss of the deep one: lower, the same, higher. Put your guess
# down, and a reason for it.

# %%
guess = "lower, the same or higher?"

# The training loss, averaged over every fifth of an epoch; seed 1, one core, a minute in all. With FATHOM_FULL=1 in the
# environment of Jupyter, `measure(depth, kind, seed=1)` further down takes the place of these numbers.
recorded = {
    "plain-56": "2.36 2.35 2.26 2.27 2.41 2.26 2.26 2.28 2.25 2.24 2.26 2.26 2.24 "
    "2.28 2.20 2.26 2.24 2.24 2.25 2.41 2.24 2.24 2.24 2.23 2.21",
    "plain-20": "2.34 2.31 2.30 2.21 2.07 2.03 1.86 1.54 1.22 1.23 0.84 0.71 0.65 "
    "0.45 0.26 0.29 0.21 0.17 0.13 0.24 0.13 0.11 0.06 0.06 0.11",
    "ResNet-56": "2.84 3.01 2.35 2.06 1.99 1.69 1.08 0.60 0.45 0.47 0.43 0.36 0.23 "
    "0.25 0.12 0.17 0.12 0.09 0.07 0.18 0.06 0.08 0.03 0.12 0.05",
    "ResNet-20": "2.63 2.22 1.78 1.31 0.63 0.51 0.28 0.26 0.21 0.41 0.17 0.24 0.25 "
    "0.14 0.06 0.10 0.08 0.05 0.02 0.05 0.02 0.03 0.01 0.02 0.03",
}
recorded = {name: [float(loss) for loss in losses.split()] for name, losses in recorded.items()}


# %%
def draw_losses(curves, title):
    """Draw training losses over epochs, {"plain-56": [...]}: kind by colour, depth by line."""
    fig, ax = plt.subplots(figsize=(6.5, 3.6))
    for name, losses in curves.items():
        epochs = [5 * (i + 1) / len(losses) for i in range(len(losses))]
        colour, line = BLUE if "plain" in name else ORANGE, "-" if "56" in name else "--"
        ax.plot(epochs, losses, color=colour, linestyle=line, label=name)
    ax.axhline(math.log(10), color=INK, linewidth=0.8, linestyle=":")
    ax.text(0, math.log(10) - 0.2, "guessing", color=INK)
    ax.set(xlabel="epoch", ylabel="training loss", title=title)
    ax.legend()
    plt.show()


plain_only = {name: losses for name, losses in recorded.items() if "plain" in name}
draw_losses(plain_only, "Thirty-six more layers, and the training loss is worse")
print("you said:", guess)

# %% [markdown]
# This is *degradation*. It is no overfitting, since the training data suffer first, and no lack of capacity either:
# the better weights exist, and gradient descent does not find them. Copying is hard for a stack of convolutions and
# relus. He and colleagues turned it around: make copying the default, and let the layers learn what to change.
#
# $$y = \operatorname{relu}\bigl(\mathcal F(x) + x\bigr)$$
#
# ## The shortcut
#
# A sum needs two terms of the same shape. Most blocks keep it, and $x$ can go around unchanged. A few blocks halve the
# height and width (stride 2) or change the channels, and there the shortcut has to do so too. The paper has two ways:
#
# - **option A**, without weights: keep every second row and column, and append channels full of zeros;
# - **option B**: a 1×1 convolution with that stride, and batch norm. This one is given.


# %%
class Projection(nn.Module):
    """Option B: a 1×1 convolution and batch norm, (B, c_in, H, W) -> (B, c_out, ⌈H/stride⌉, ⌈W/stride⌉)."""

    def __init__(self, c_in, c_out, stride):
        super().__init__()
        self.conv = nn.Conv2d(c_in, c_out, 1, stride=stride, bias=False)
        self.bn = nn.BatchNorm2d(c_out)

    def forward(self, x):
        return self.bn(self.conv(x))


class NoShortcut(nn.Module):
    """What a plain network has: nothing goes around, so nothing is added."""

    def forward(self, x):
        return x.new_zeros(())


# %% [markdown]
# **Predict.** In option A, what share of the numbers in $x$ gets through when the stride is 2?


# %% nbgrader={"grade_id": "ZeroPad", "solution": true}
class ZeroPad(nn.Module):
    """Option A: subsample, then append channels of zeros, (B, c_in, H, W) -> (B, c_out, ⌈H/stride⌉, ⌈W/stride⌉).

    Rows and columns 0, stride, 2·stride, … are kept as they are, nothing is averaged. The c_in channels come first, in
    their order, the c_out - c_in channels of zeros after them. c_out is at least c_in; the stride may be 1.
    """

    def __init__(self, c_in, c_out, stride):
        super().__init__()
        self.stride = stride
        self.extra = c_out - c_in

    def forward(self, x):
        ### BEGIN SOLUTION shortcut
        kept = x[:, :, :: self.stride, :: self.stride]
        return F.pad(kept, (0, 0, 0, 0, 0, self.extra))
        ### END SOLUTION


# %% nbgrader={"grade_id": "shortcut_for", "solution": true}
def shortcut_for(c_in, c_out, stride, kind):
    """Return the module that carries x around a block: (B, c_in, H, W) -> (B, c_out, ⌈H/stride⌉, ⌈W/stride⌉).

    kind  "plain": NoShortcut, always
          "A" or "B": nn.Identity where the shape stays as it is, in height, width and channels; elsewhere ZeroPad for
          "A" and Projection for "B"
    """
    ### BEGIN SOLUTION shortcut
    if kind == "plain":
        return NoShortcut()
    if stride == 1 and c_in == c_out:
        return nn.Identity()
    return ZeroPad(c_in, c_out, stride) if kind == "A" else Projection(c_in, c_out, stride)
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-shortcut", "grade": true, "points": 2}
check("shortcut")

# %% [markdown]
# ## The basic block
#
# Two 3×3 convolutions, each with batch norm. The first may have a stride; the relu of the second one waits until the
# shortcut has been added:
#
# $$\mathcal F(x) = \operatorname{bn}_2\bigl(W_2 * \operatorname{relu}(\operatorname{bn}_1(W_1 * x))\bigr),
# \qquad y = \operatorname{relu}\bigl(\mathcal F(x) + s(x)\bigr)$$
#
# with $s$ the shortcut. The names of the layers are fixed, for weights are loaded by name.


# %% nbgrader={"grade_id": "BasicBlock", "solution": true}
class BasicBlock(nn.Module):
    """Two 3×3 convolutions and a shortcut, (B, c_in, H, W) -> (B, width, ⌈H/stride⌉, ⌈W/stride⌉); x stays as it is."""

    expansion = 1  # channels out, per width

    def __init__(self, c_in, width, stride=1, kind="B"):
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, width, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.shortcut = shortcut_for(c_in, width, stride, kind)

    def forward(self, x):
        ### BEGIN SOLUTION basic_block
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return F.relu(out + self.shortcut(x))
        ### END SOLUTION


# %% nbgrader={"grade_id": "check-basic_block", "grade": true, "points": 2}
check("basic_block")

# %% [markdown]
# **Predict.** Below, the second batch norm of a block gets the weight 0, so $\mathcal F(x) = 0$. What is the largest
# difference between its output and its input, when the input has no negative numbers? And in a plain block?

# %%
for kind in ("B", "plain"):
    block = BasicBlock(6, 6, kind=kind)
    nn.init.zeros_(block.bn2.weight)
    x = torch.rand(2, 6, 8, 8)
    print(f"{kind:>5}: {(block(x) - x).abs().max():.3f}")

# %% [markdown]
# A residual block that knows nothing passes its input on. A plain block that knows nothing destroys it.
#
# ## The bottleneck block
#
# With 256 channels a 3×3 convolution has 590,000 weights. The deeper ResNets squeeze first: 1×1 down to a *width* of
# 64, the 3×3 at that width, and 1×1 up to four times the width. Three convolutions, three batch norms, and a relu after
# the first two and after the sum:
#
# $$\mathcal F(x) = \operatorname{bn}_3\Bigl(W_3 * \operatorname{relu}\bigl(\operatorname{bn}_2(W_2 *
# \operatorname{relu}(\operatorname{bn}_1(W_1 * x)))\bigr)\Bigr)$$
#
# One of them has to take the stride. The paper put it on the first 1×1; everybody since puts it on the 3×3.
#
# **Predict.** Does it matter? Think of a pixel in an odd row: who reads it?


# %% nbgrader={"grade_id": "bottleneck_convs", "solution": true}
def bottleneck_convs(c_in, width, c_out, stride):
    """Return the three convolutions of a bottleneck, as a tuple of nn.Conv2d without bias.

    1×1 from c_in to width; 3×3 from width to width, padded by 1, which has the stride; 1×1 from width to c_out.
    Together (B, c_in, H, W) -> (B, c_out, ⌈H/stride⌉, ⌈W/stride⌉).
    """
    ### BEGIN SOLUTION bottleneck
    squeeze = nn.Conv2d(c_in, width, 1, bias=False)
    middle = nn.Conv2d(width, width, 3, stride=stride, padding=1, bias=False)
    widen = nn.Conv2d(width, c_out, 1, bias=False)
    return squeeze, middle, widen
    ### END SOLUTION


# %% nbgrader={"grade_id": "Bottleneck", "solution": true}
class Bottleneck(nn.Module):
    """1×1, 3×3, 1×1 and a shortcut, (B, c_in, H, W) -> (B, 4·width, ⌈H/stride⌉, ⌈W/stride⌉); x stays as it is."""

    expansion = 4

    def __init__(self, c_in, width, stride=1, kind="B"):
        super().__init__()
        c_out = self.expansion * width
        self.conv1, self.conv2, self.conv3 = bottleneck_convs(c_in, width, c_out, stride)
        self.bn1, self.bn2, self.bn3 = nn.BatchNorm2d(width), nn.BatchNorm2d(width), nn.BatchNorm2d(c_out)
        self.shortcut = shortcut_for(c_in, c_out, stride, kind)

    def forward(self, x):
        ### BEGIN SOLUTION bottleneck
        out = F.relu(self.bn1(self.conv1(x)))
        out = F.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        return F.relu(out + self.shortcut(x))
        ### END SOLUTION


# %% nbgrader={"grade_id": "check-bottleneck", "grade": true, "points": 2}
check("bottleneck")

# %% [markdown]
# Strides have no weights, so one can be moved on a finished block. Here is how strongly the convolutions listen to each
# pixel of a 12×12 map, stride 2, with the shortcut left out.

# %%
fig, axes = plt.subplots(1, 2, figsize=(6.5, 3.3))
for ax, place in zip(axes, ("conv2", "conv1")):
    torch.manual_seed(0)
    block = Bottleneck(16, 8, stride=2, kind="plain")
    block.conv2.stride = (1, 1)
    getattr(block, place).stride = (2, 2)
    x = torch.rand(8, 16, 12, 12, requires_grad=True)
    block(x).square().sum().backward()
    heard = x.grad.abs().mean(dim=(0, 1))
    ax.imshow(heard, cmap="viridis")
    ax.set(xticks=[], yticks=[], xlabel=f"{(heard == 0).float().mean():.0%} of the pixels unread")
    ax.set_title({"conv2": "stride on the 3×3", "conv1": "stride on the 1×1, as printed"}[place])
fig.suptitle("Who listens to which pixel?")
fig.tight_layout()
plt.show()

# %% [markdown]
# On the 1×1 the stride throws three pixels of four away before anybody has looked at them. Moving it costs some
# arithmetic and brings half a point of accuracy on ImageNet; all weights keep their shapes, so a checkpoint of the one
# loads into the other without a word.
#
# ## Stages
#
# A network is a few *stages*. The first block of a stage changes the shape, the others keep it.


# %% nbgrader={"grade_id": "make_stage", "solution": true}
def make_stage(block, c_in, width, count, stride, kind):
    """Return `count` blocks in a row as an nn.Sequential, (B, c_in, H, W) -> (B, block.expansion·width, ⌈H/stride⌉, …).

    block   BasicBlock or Bottleneck, made by block(c_in, width, stride, kind); it gives out block.expansion·width
            channels
    count   at least 1
    The stride belongs to the first block alone, the others have stride 1. All are of the same width and kind.
    """
    ### BEGIN SOLUTION stage
    c_out = block.expansion * width
    first = block(c_in, width, stride, kind)
    rest = [block(c_out, width, 1, kind) for _ in range(count - 1)]
    return nn.Sequential(first, *rest)
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-stage", "grade": true, "points": 1}
check("stage")

# %% [markdown]
# ## The network
#
# A *stem* turns the image into the first maps: one 3×3 convolution for small images; for large ones a 7×7 with stride 2
# and a max pool, which shrink the maps to a quarter of the side. Then the stages. At the end each channel is averaged
# over all its pixels, and one linear layer makes the scores of the classes, the *logits*.


# %% nbgrader={"grade_id": "ResNet", "solution": true}
class ResNet(nn.Module):
    """A residual network, (B, in_channels, H, W) -> (B, classes) logits.

    counts, widths  blocks per stage and their width; every stage but the first has stride 2
    stem            "cifar": 3×3, no pooling (`pool` is an identity); "imagenet": 7×7, stride 2, then a max pool
    """

    def __init__(self, block, counts, widths, *, kind, stem, in_channels=3, classes=10):
        super().__init__()
        small, c = stem == "cifar", widths[0]
        self.conv = nn.Conv2d(in_channels, c, *((3, 1, 1) if small else (7, 2, 3)), bias=False)
        self.bn = nn.BatchNorm2d(c)
        self.pool = nn.Identity() if small else nn.MaxPool2d(3, stride=2, padding=1)
        self.stages = nn.Sequential()
        for i, (count, width) in enumerate(zip(counts, widths)):
            self.stages.append(make_stage(block, c, width, count, 1 if i == 0 else 2, kind))
            c = block.expansion * width
        self.fc = nn.Linear(c, classes)

    def forward(self, x):
        """Stem (convolution, batch norm, relu, pool), stages, average over height and width, linear layer; no softmax."""
        ### BEGIN SOLUTION network
        x = self.pool(F.relu(self.bn(self.conv(x))))
        x = self.stages(x)
        return self.fc(x.mean(dim=(2, 3)))
        ### END SOLUTION


# %% nbgrader={"grade_id": "check-network", "grade": true, "points": 2}
check("network")

# %% [markdown]
# ## The family
#
# *For CIFAR*: basic blocks, three stages of width 16, 32 and 64 with $n$ blocks each. One counts the layers with
# weights: the stem, two in each block, and the linear layer, $6n + 2$ in all. The shortcuts are option A.
#
# *For ImageNet*: four stages of width 64, 128, 256, 512, option B.
#
# | layers | block | blocks per stage |
# |---|---|---|
# | 18 | basic | 2, 2, 2, 2 |
# | 34 | basic | 3, 4, 6, 3 |
# | 50 | bottleneck | 3, 4, 6, 3 |
# | 101 | bottleneck | 3, 4, 23, 3 |
# | 152 | bottleneck | 3, 8, 36, 3 |


# %% nbgrader={"grade_id": "resnet_cifar", "solution": true}
def resnet_cifar(depth, kind="A", in_channels=3, classes=10):
    """Return a ResNet for small images: depth = 6n + 2 layers, n >= 1; any other depth raises a ValueError.

    BasicBlock, three stages of n blocks, widths 16, 32 and 64, the stem "cifar".
    """
    ### BEGIN SOLUTION family
    n, rest = divmod(depth - 2, 6)
    if rest or n < 1:
        raise ValueError(f"depth must be 6n + 2, not {depth}")
    widths = (16, 32, 64)
    return ResNet(BasicBlock, (n, n, n), widths, kind=kind, stem="cifar", in_channels=in_channels, classes=classes)
    ### END SOLUTION


# %% nbgrader={"grade_id": "resnet_imagenet", "solution": true}
def resnet_imagenet(depth, kind="B", in_channels=3, classes=1000):
    """Return a ResNet for large images; depth is 18, 34, 50, 101 or 152, as in the table above; stem "imagenet"."""
    ### BEGIN SOLUTION family
    block, counts = {
        18: (BasicBlock, (2, 2, 2, 2)),
        34: (BasicBlock, (3, 4, 6, 3)),
        50: (Bottleneck, (3, 4, 6, 3)),
        101: (Bottleneck, (3, 4, 23, 3)),
        152: (Bottleneck, (3, 8, 36, 3)),
    }[depth]
    widths = (64, 128, 256, 512)
    return ResNet(block, counts, widths, kind=kind, stem="imagenet", in_channels=in_channels, classes=classes)
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-family", "grade": true, "points": 2}
check("family")

# %% [markdown]
# **Predict.** ResNet-34 has 16 blocks, and so has ResNet-50. Which has more parameters, and by what factor? On the device
# `meta`, tensors have shapes and no numbers, so counting is free.

# %%
with torch.device("meta"):
    family = {f"ResNet-{depth}": resnet_imagenet(depth) for depth in (18, 34, 50, 101, 152)}
    family |= {f"CIFAR ResNet-{depth}": resnet_cifar(depth) for depth in (20, 56, 110)}
for name, model in family.items():
    print(f"{name:>17}  {sum(p.numel() for p in model.parameters()):>11,}")

# %% [markdown]
# ## Initialisation
#
# A weight of a convolution sends its slope back to $C_\text{out}\,k_h\,k_w$ places, its *fan out*. With
#
# $$w \sim \mathcal N\Bigl(0,\; \frac{2}{C_\text{out}\,k_h\,k_w}\Bigr)$$
#
# (mean and *variance*) the slopes keep their size on the way back through convolution and relu; the 2 makes up for the
# half that relu shuts. The fan *in*, $C_\text{in}\,k_h\,k_w$, would do the same for the numbers on the way forward.


# %% nbgrader={"grade_id": "initialise", "solution": true}
def initialise(model):
    """Draw the weights of a model anew, in place, and return the model.

    Every nn.Conv2d in it, however deep, gets weights from a normal distribution with mean 0 and variance 2 / fan out,
    where fan out = out_channels · kernel height · kernel width. Every nn.BatchNorm2d gets weight 1 and bias 0. Linear
    layers stay as they are. Convolutions here have no bias. Work the scale out yourself; `nn.init.normal_` may draw.
    """
    ### BEGIN SOLUTION initialise
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            fan_out = module.out_channels * module.kernel_size[0] * module.kernel_size[1]
            nn.init.normal_(module.weight, 0.0, math.sqrt(2 / fan_out))
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
    return model
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-initialise", "grade": true, "points": 1}
check("initialise")

# %% [markdown]
# An honest word: in these networks a wrong scale hardly shows. Batch norm divides it out again right after each
# convolution, and what stays is a different effective learning rate. No loss curve would tell you; count your weights.
#
# ## Asking how good it is
#
# Batch norm has two lives. In training it takes mean and variance from the batch; afterwards it must use the running
# averages it has kept, or the answer for one image depends on the images beside it.


# %% nbgrader={"grade_id": "accuracy", "solution": true}
def accuracy(model, images, labels, batch_size=256):
    """Return the share of images whose largest logit is at their label: a float from 0 to 1.

    images (N, C, H, W), labels (N,) integers. The model answers in evaluation mode and without gradients, batch by batch,
    at most batch_size images at a time; the last batch may be smaller, and every image counts the same. Afterwards the
    model is in the mode (training or evaluation) in which it came.
    """
    ### BEGIN SOLUTION accuracy
    was_training = model.training
    model.eval()
    right = 0
    with torch.no_grad():
        for some, theirs in zip(images.split(batch_size), labels.split(batch_size)):
            right += (model(some).argmax(dim=1) == theirs).sum().item()
    model.train(was_training)
    return right / len(labels)
    ### END SOLUTION


# %% nbgrader={"grade_id": "check-accuracy", "grade": true, "points": 1}
check("accuracy")

# %% [markdown]
# ## See it work
#
# Given: the digits of scikit-learn, 8×8 pixels, and the paper's training: batches of 128, rate 0.1 after a gentle first
# epoch, momentum 0.9, weight decay 0.0001.


# %%
def digits_file():
    """Where scikit-learn keeps its digits; to read them is quicker than to import all of it."""
    return Path(find_spec("sklearn").origin).parent / "datasets" / "data" / "digits.csv.gz"


def digits(seed=0):
    """1,437 digits to train on and 360 to test, (N, 1, 8, 8), with mean 0 and variance 1."""
    rows = torch.from_numpy(np.loadtxt(digits_file(), delimiter=","))  # 64 pixels and a label each
    rows = rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))]
    images = rows[:, :-1].float().reshape(-1, 1, 8, 8)
    images = (images - images[:1437].mean()) / images[:1437].std()
    labels = rows[:, -1].long()
    return images[:1437], labels[:1437], images[1437:], labels[1437:]


def descend(model, images, labels, epochs, rate=0.1, batch=128, seed=0):
    """Train by SGD with momentum; return the loss of every step."""
    draws, losses = torch.Generator().manual_seed(seed), []
    velocities = [torch.zeros_like(p) for p in model.parameters()]
    warm_up = math.ceil(len(images) / batch)
    steps = epochs * warm_up
    for _ in range(epochs):
        for chosen in torch.randperm(len(images), generator=draws).split(batch):
            loss = F.cross_entropy(model(images[chosen]), labels[chosen])
            model.zero_grad()
            loss.backward()
            losses.append(loss.item())
            now = rate * min(len(losses) / warm_up, (steps - len(losses)) / (steps - warm_up))
            with torch.no_grad():
                for p, v in zip(model.parameters(), velocities):
                    v.mul_(0.9).add_(p.grad + 1e-4 * p)
                    p.sub_(now * v)
    return losses


def fresh(depth, kind, seed=0):
    torch.manual_seed(seed)
    return initialise(resnet_cifar(depth, kind, in_channels=1))


images, labels, test_images, test_labels = digits()

# %% [markdown]
# First, before any training: one batch forward through plain-56 and ResNet-56, and one walk back. How well can the nearest
# neighbour among the other images still tell which digit it was, after each block? And how strong is the slope that
# arrives at each 3×3 convolution?
#
# **Predict.** Draw both curves on paper, for both networks.


# %%
def told_apart(maps, labels):
    """Share of images whose nearest neighbour in the batch shows the same digit."""
    flat = maps.flatten(1)
    distances = torch.cdist(flat, flat).fill_diagonal_(math.inf)
    return (labels[distances.argmin(dim=1)] == labels).float().mean().item()


def blocks_of(model):
    return [block for stage in model.stages for block in stage]


def listen(model, images, labels):
    """What is left after each block, and the norm of the loss's slope at each 3×3 convolution."""
    heard, seen = [], []
    for block in blocks_of(model):
        block.register_forward_hook(lambda block, given, out: heard.append(told_apart(out.detach(), labels)))
    F.cross_entropy(model(images), labels).backward()
    for block in blocks_of(model):
        seen += [block.conv1.weight.grad.norm().item(), block.conv2.weight.grad.norm().item()]
    return heard, seen


fig, (left, right) = plt.subplots(1, 2, figsize=(8.5, 3.4))
for kind, name, colour in (("plain", "plain-56", BLUE), ("A", "ResNet-56", ORANGE)):
    heard, slopes = listen(fresh(56, kind), images[:128], labels[:128])
    left.plot(range(1, 28), heard, color=colour, label=name)
    right.semilogy(range(1, 55), slopes, color=colour, label=name)
left.axhline(0.1, color=INK, linewidth=0.8, linestyle=":")
left.text(27, 0.12, "guessing", color=INK, ha="right")
left.set(xlabel="block", ylabel="neighbours alike", ylim=(0, 1), title="Forward: what is left of the digit")
right.set(xlabel="convolution", ylabel="norm of the slope", title="Back: what arrives of the slope")
right.legend()
fig.tight_layout()
plt.show()

# %% [markdown]
# Both at once, and before the first step. After ten plain blocks the digits cannot be told apart any more: whatever the
# later layers learn, they learn about noise. And the slopes on the way back differ by a factor of a thousand, so no one
# rate suits all layers. (Both have one cause: batch norm takes away what all digits have in common, which after a relu is
# much, and stretches the small rest to full size. On the way back it stretches the slopes just as much.)
#
# The plus sign explains it. Write a block as $y = x + \mathcal F(x)$ and leave the relu aside:
#
# $$\frac{\partial L}{\partial x} = \frac{\partial L}{\partial y}
# \Bigl(1 + \frac{\partial \mathcal F}{\partial x}\Bigr)$$
#
# Every block offers two roads, so 27 of them offer $2^{27}$, and one of these leads from the loss to the first
# convolution without passing any weight at all.
#
# Now train, to save your time with 26 layers and for two epochs over 768 digits.

# %%
trained = {}
for kind, name in (("plain", "plain-26"), ("A", "ResNet-26")):
    start = time.perf_counter()
    model = trained[kind] = fresh(26, kind)
    losses = descend(model, images[:768], labels[:768], epochs=2, rate=0.03, batch=64)
    score = accuracy(model, test_images, test_labels)
    print(f"{name:>9}: loss {losses[-1]:.2f}, test accuracy {score:.2f}, {time.perf_counter() - start:.0f} s")

# %% [markdown]
# And the four runs from the beginning of the lesson, all of them.


# %%
def measure(depth, kind, seed):
    """Five epochs from a fresh start; prints the accuracies and returns the loss, averaged over fifths of an epoch."""
    model = fresh(depth, kind, seed)
    losses = descend(model, images, labels, epochs=5, seed=seed)
    scores = accuracy(model, images, labels), accuracy(model, test_images, test_labels)
    print(f"{kind}-{depth}, seed {seed}: train {scores[0]:.3f}, test {scores[1]:.3f}")
    cuts = [round(i * len(losses) / 25) for i in range(26)]
    return [sum(losses[i:j]) / (j - i) for i, j in zip(cuts, cuts[1:])]


if os.environ.get("FATHOM_FULL"):
    for name in recorded:
        kind, depth = name.split("-")
        recorded[name] = measure(int(depth), {"ResNet": "A"}.get(kind, kind), seed=1)
draw_losses(recorded, "The same layers, the same weights to learn, and a plus sign")

# %% [markdown]
# At the end of these runs plain-56 recognises 14% of the test digits, ResNet-56 96%. With the seeds 0, 1 and 2 it is 13,
# 14 and 18 against 90, 96 and 94. Note the dashed lines too: with 20 layers the plus sign is a convenience, with 56
# it is the difference between learning and not learning. On ImageNet it was 28.5% against 25.0% errors with 34 layers.
#
# ## Delete a layer
#
# If there are so many roads, how much does one block matter? Replace a block of the trained ResNet-26 by an identity,
# one at a time, without any further training.
#
# **Predict.** Which deletion hurts most, and what does a typical one cost?

# %%
some = test_images[:180], test_labels[:180]
whole = accuracy(trained["A"], *some)
left_over = []
for stage in trained["A"].stages:
    for i, block in enumerate(stage):
        if isinstance(block.shortcut, nn.Identity):
            stage[i] = nn.Identity()
            left_over.append(accuracy(trained["A"], *some))
            stage[i] = block

fig, ax = plt.subplots(figsize=(6.5, 3.4))
ax.bar(range(1, len(left_over) + 1), left_over, color=ORANGE)
for height, name in ((whole, "none deleted"), (0.1, "guessing")):
    ax.axhline(height, color=INK, linewidth=0.8, linestyle=":")
    ax.text(10.6, height + 0.02, name, color=INK)
ax.set(xlabel="deleted block, of those that keep the shape", ylabel="test accuracy", xlim=(0.4, 12.8), ylim=(0, 1))
ax.set_xticks(range(1, 11))
ax.set_title("A trained ResNet hardly misses most of its blocks")
plt.show()

# %% [markdown]
# The first block is missed; it sees the digit before anybody has made sense of it. Most others are a small correction to
# what flows past. In a network without shortcuts each layer speaks a language that only the next one understands, and
# one deletion ends it.
#
# ## Watch it break
#
# **First break.** The relu moves to the left of the plus sign: $y = \operatorname{relu}(\mathcal F(x)) + x$. It looks
# tidier, since nothing stands in the way of $x$ any more.
#
# **Predict.** What can a block no longer do? What becomes of the average number in the maps, block after block?


# %%
class TooEarly(BasicBlock):
    """A wrong block: the shortcut is added after the last relu."""

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(out))) + self.shortcut(x)


fig, ax = plt.subplots(figsize=(6.5, 3.4))
for block, name, line, colour in ((BasicBlock, "yours", "-", ORANGE), (TooEarly, "relu first", "--", BLUE)):
    torch.manual_seed(0)
    model = initialise(ResNet(block, (9, 9, 9), (16, 32, 64), kind="A", stem="cifar", in_channels=1))
    means = []
    for layer in blocks_of(model):
        layer.register_forward_hook(lambda layer, given, out: means.append(out.mean().item()))
    with torch.no_grad():
        model(images[:128])
    ax.plot(range(1, 28), means, line, color=colour, label=name)
ax.set(xlabel="block", ylabel="average number in the maps", title="Without a minus, the stream only swells")
ax.legend()
plt.show()

# %% [markdown]
# A relu gives out nothing below zero, so such a block can add and never take away. The stream swells, and each
# new block is a smaller part of it. (Where new channels of zeros dilute the average, it falls for a moment.)
#
# **Second break.** Evaluation mode is forgotten, and batch norm looks at the neighbours. Your trained ResNet-26 marks the
# test digits in batches of 30, once shuffled and once sorted by digit.
#
# **Predict.** Which of the four numbers below is far from the others?


# %%
def forgetful_accuracy(model, images, labels, batch_size):
    """A wrong accuracy: the model stays in training mode."""
    right = 0
    with torch.no_grad():
        for some, theirs in zip(images.split(batch_size), labels.split(batch_size)):
            right += (model(some).argmax(dim=1) == theirs).sum().item()
    return right / len(labels)


by_digit = test_labels.argsort()
saved = {name: value.clone() for name, value in trained["A"].state_dict().items()}
for name, order in (("shuffled", torch.arange(360)), ("sorted", by_digit)):
    marked = test_images[order], test_labels[order]
    yours = accuracy(trained["A"], *marked, batch_size=30)
    trained["A"].train()
    print(f"{name:>8}: yours {yours:.2f}, forgetful {forgetful_accuracy(trained['A'], *marked, 30):.2f}")
    trained["A"].load_state_dict(saved)

# %% [markdown]
# In a batch of sevens, being a seven is the average, and batch norm subtracts the average. On a shuffled test set
# nobody notices. There is a worse part, which the last line above repairs: in training mode even a forward pass without
# gradients moves the running averages, so the forgetful test has *changed the model*.
#
# ## An open experiment
#
# Start every block as a copy of its input: after `initialise`, set the weight of the last batch norm in each block
# to 0. How far does the training loss of a ResNet-110 get in one epoch with and without that, and what does the left
# picture of the figure above look like now? Then a harder one: can you make plain-56 learn by any means but a shortcut? Its
# rate, its initialisation, its first epoch are yours to choose.

# %%
# your experiment

# %% [markdown]
# ## In your own words
#
# What do you know now that you did not this morning? One or two sentences, as you would tell a colleague. For example:
# "A deep plain network does not overfit, it never gets to see its input: after ten layers the digits are all alike. A
# shortcut makes copying the default, and learning a correction."

# %%
words = ""
if words:
    aha(words)
