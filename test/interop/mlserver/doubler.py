"""A model for MLServer that says its input twice over: the server is what is tried, not the model."""

from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceResponse, MetadataTensor


class Doubler(MLModel):
    async def load(self):
        self.inputs = [MetadataTensor(name='image', datatype='FP32', shape=[-1, 4])]
        self.outputs = [MetadataTensor(name='doubled', datatype='FP32', shape=[-1, 4])]
        return True

    async def predict(self, payload):
        return InferenceResponse(model_name=self.name, model_version='1',
                                 outputs=[NumpyCodec.encode_output('doubled', 2 * NumpyCodec.decode_input(payload.inputs[0]))])
