import torch


def main():
    torch.manual_seed(5)
    n = 6
    inputs = torch.randn(n, 3)
    weight = torch.randn(3, 4)
    hidden = inputs @ weight
    gate = torch.sigmoid(hidden)
    swish = hidden * gate
    loss = (swish**2).mean()

    dswish = 2 * swish / swish.numel()
    dgate = dswish * hidden
    dhidden = dswish * gate + dgate * gate * (1 - gate)
    dweight = inputs.T @ dhidden
    return loss, dweight


if __name__ == "__main__":
    loss, dweight = main()
